"""What our record says of room for one service: what we would have others take, and what we take from them. Pure."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from federation.law.case import Case
from federation.law.eligible import eligible
from federation.law.room import capacity_of, room_now
from federation.law.terms import rank
from federation.model.handout import Candidate
from federation.model.names import MemberName, ServiceKey
from federation.model.policy import Policy
from federation.model.record import Demand, Granted
from federation.plan.grants import Importing, grants, room, steady, wants


class Demanding(Struct, frozen=True, kw_only=True):
    """`demand` is what our clients ask (requests per second, 0: unknown), `asks` what others would have us take,
    `importers` all that may ask. `wants` and `grants` are what we said last.
    """

    service: ServiceKey
    own: MemberName
    demand: int
    case: Case
    candidates: tuple[Candidate, ...]
    asks: Mapping[MemberName, int]
    importers: tuple[MemberName, ...]
    wants: dict[MemberName, int]
    grants: dict[MemberName, int]


class Rooms(Struct, frozen=True):
    """`said` is what our record holds of it."""

    wants: dict[MemberName, int] = {}
    grants: dict[MemberName, int] = {}
    said: tuple[Demand | Granted, ...] = ()


def measured(candidates: Iterable[Candidate], policy: Policy) -> bool:
    """True when anybody's capacity is known."""
    return any(capacity_of(candidate, policy) for candidate in candidates)


def rooms_of(demanding: Demanding, exported: bool) -> Rooms:
    """What we say now; nothing of a service of which no capacity is known."""
    if not measured(demanding.candidates, demanding.case.policy):
        return Rooms()
    wanted, granted = _wants(demanding), _grants(demanding) if exported else {}
    said: tuple[Demand | Granted, ...] = (Granted(demanding.service, granted),) if granted else ()
    if wanted:
        said = (Demand(demanding.service, demanding.demand, wanted), *said)
    return Rooms(wanted, granted, said)


def _wants(demanding: Demanding) -> dict[MemberName, int]:
    """Asked are those whom the law would send anything, in its order."""
    if not demanding.demand:
        return {}
    order = eligible(sorted(demanding.candidates, key=lambda c: rank(c, demanding.case)), demanding.case).candidates
    rooms = {one.member: room_now(one, demanding.case) for one in order}
    fresh = wants(Importing(demanding.own, demanding.demand, demanding.case.policy, order, rooms))
    return steady(fresh, demanding.wants)


def _grants(demanding: Demanding) -> dict[MemberName, int]:
    own = next((one for one in demanding.candidates if one.member == demanding.own), None)
    capacity = capacity_of(own, demanding.case.policy) if own else 0
    if own is None or not capacity:
        return {}
    whole = room(capacity, own.ready)
    fresh = grants(whole, demanding.demand, demanding.asks, demanding.importers)
    return steady(fresh, demanding.grants, max(0, whole - demanding.demand))

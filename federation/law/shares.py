"""Shares of one locality's requests over the members that offer a service (design section 7, capacity unknown).

Each candidate, nearest first, can take up to 1.4 x ready/total of all requests; what it cannot take goes on to the
next. Two of four ready: 70 %. One of four: 35 %. When all together cannot take everything, each is scaled up alike.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from federation.model.handout import Candidate
from federation.model.names import MemberName

PPM = 1_000_000
OVERPROVISION_PERCENT = 140


class Share(Struct, frozen=True):
    """A member's part of the requests, in parts per million."""

    member: str
    ppm: int


class Ruling(Struct, frozen=True):
    """The law's result. Shares sum to one million, or are empty when nobody is ready; `rules` say why, in order."""

    shares: tuple[Share, ...]
    rules: tuple[str, ...]

    def of(self, member: str) -> int:
        """This member's share in parts per million; 0 when it has none."""
        return next((share.ppm for share in self.shares if share.member == member), 0)


def rule(candidates: Sequence[Candidate], local: str) -> Ruling:
    """Divide one million over the candidates as seen from the member `local`, which comes first whatever its cost."""
    order = sorted(candidates, key=lambda c: (c.member != local, c.cost, c.member))
    room = {c.member: availability(c) for c in order}
    rules = [_room_text(c, room[c.member]) for c in order]
    total = sum(room.values())
    if total == 0:
        return Ruling((), (*rules, "nobody is ready: no shares"))
    if total < PPM:
        rules.append(f"together {percent(total)} of what is needed: scaled up alike")
        return Ruling(scale(room), tuple(rules))
    shares: list[Share] = []
    left = PPM
    for candidate in order:
        take = min(left, room[candidate.member])
        left -= take
        if take:
            shares.append(Share(candidate.member, take))
            rules.append(_take_text(candidate.member, take, local))
    return Ruling(tuple(shares), tuple(rules))


def availability(candidate: Candidate) -> int:
    """The part of all requests that this candidate can take, in parts per million."""
    if candidate.total <= 0:
        return 0
    return min(PPM, candidate.ready * OVERPROVISION_PERCENT * (PPM // 100) // candidate.total)


def scale(room: Mapping[MemberName, int]) -> tuple[Share, ...]:
    """Largest-remainder rounding of these weights to exactly one million; ties go to the first by order."""
    total = sum(room.values())
    floors = {member: weight * PPM // total for member, weight in room.items()}
    rest = PPM - sum(floors.values())
    by_remainder = sorted(room, key=lambda member: -(room[member] * PPM % total))
    for member in by_remainder[:rest]:
        floors[member] += 1
    return tuple(Share(member, ppm) for member, ppm in floors.items() if ppm)


def percent(ppm: int) -> str:
    """Parts per million as a percentage with at most four decimals, exactly."""
    whole, fraction = divmod(ppm, 10_000)
    return f"{whole}.{fraction:04d}".rstrip("0").rstrip(".") + " %"


def _room_text(candidate: Candidate, room: int) -> str:
    return (
        f"{candidate.member}: {candidate.ready} of {candidate.total} ready, cost {candidate.cost}, "
        f"room for {percent(room)}"
    )


def _take_text(member: str, take: int, local: str) -> str:
    why = "local first" if member == local else "next by cost"
    return f"{member} takes {percent(take)} ({why})"

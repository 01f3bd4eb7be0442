"""What an operator asked of steering, held against the ledger: what cannot be is refused, its last good stays. Pure."""

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches

from msgspec import Struct

from federation.law.recovery import follow
from federation.model.handout import Candidate, Steered, Target
from federation.model.names import MemberName, zone_of
from federation.model.policy import GlobalName, Policy, is_region
from federation.model.wish import Wish

ADDRESSES_KEPT_MS = 24 * 3_600_000
"""How long after its last export a service gets the same clusterset IPs again, if they are still free."""


class Kept(Struct, frozen=True, kw_only=True):
    """What the plan of a service must remember: its last good wish and public names (by object), and how far each
    candidate is on its way back, for the service and for each host. `ranked` are the exporters in the order of the last
    plan while some have no number, so that nobody who waits for one displaces another; `addresses` are the clusterset
    IPs that the cluster gave. `wants` and `grants` are what was said last, so that noise does not move them; after a
    restart they are found anew.
    """

    wish: Wish = Wish()
    names: dict[str, GlobalName] = {}
    candidates: tuple[Candidate, ...] = ()
    targets: dict[str, tuple[Candidate, ...]] = {}
    ranked: tuple[MemberName, ...] = ()
    addresses: tuple[str, ...] = ()
    left: int = 0
    wants: dict[MemberName, int] = {}
    grants: dict[MemberName, int] = {}

    def remembered(self, now: int) -> tuple[str, ...]:
        """The clusterset IPs to ask for again at this Unix millisecond."""
        return self.addresses if not self.left or now - self.left < ADDRESSES_KEPT_MS else ()


class Bounds(Struct, frozen=True):
    """What the ledger allows: the regions that there are, and the zones in which our member may define names."""

    regions: tuple[str, ...]
    zones: tuple[str, ...]


class Definition(Struct, frozen=True):
    """A public name, the member that defines it and the granted zone in which it lies."""

    member: MemberName
    zone: str
    name: GlobalName


def accept_wish(asked: Wish | None, kept: Kept, bounds: Bounds) -> tuple[Wish, str]:
    """The wish in force, and why it is not the one asked for ("" when it is)."""
    if asked is None:
        return Wish(), ""
    wrong = _region_fault(asked, bounds.regions)
    return (asked, "") if wrong is None else (kept.wish, f"{wrong}; the last good policy stays in force")


def accept_names(
    asked: Mapping[str, GlobalName], kept: Kept, bounds: Bounds
) -> tuple[dict[str, GlobalName], dict[str, str]]:
    """The public names in force, and why those that are not as asked for are not, both by object."""
    accepted: dict[str, GlobalName] = {}
    refused: dict[str, str] = {}
    for label, name in asked.items():
        wrong = _zone_fault(name.host, bounds.zones) or _region_fault(name.policy, bounds.regions)
        if wrong is None:
            accepted[label] = name
            continue
        stays = "the last good one stays in force" if label in kept.names else "it is not served"
        refused[label] = f"{wrong}; {stays}"
        if label in kept.names:
            accepted[label] = kept.names[label]
    return accepted, refused


def _zone_fault(host: str, zones: tuple[str, ...]) -> str | None:
    if zone_of(host, zones):
        return None
    granted = ", ".join(zones) or "none"
    return f'field "spec.host": "{host}" lies in no zone granted to this member (granted: {granted})'


def _region_fault(policy: Policy | Wish, regions: tuple[str, ...]) -> str | None:
    order = [term for term in policy.order or () if is_region(term)]
    for field, named in (("order", order), ("weights", policy.weights), ("drain", policy.drain)):
        for region in named or ():
            if region not in regions:
                near = get_close_matches(region, regions, 1)
                hint = f' (did you mean "{near[0]}"?)' if near else ""
                known = ", ".join(sorted(regions))
                return f'field "spec.{field}": no member is in region "{region}"; known: {known}{hint}'
    return None


def followed(
    fresh: Iterable[Candidate], before: Collection[Candidate], policy: Policy, now: int, demand: int = 0, own: str = ""
) -> tuple[Candidate, ...]:
    """The candidates with their ways back, `now` in Unix milliseconds; `demand` is that of the clients of `own`."""
    held = {candidate.member: candidate for candidate in before}
    return tuple(follow(held.get(c.member), c, policy, now, demand=demand, own=c.member == own) for c in fresh)


def steered(
    definition: Definition, candidates: tuple[Candidate, ...], ingress: Mapping[MemberName, tuple[str, ...]]
) -> Steered:
    """What DNS servers answer this name from: the candidates whose member has a public address."""
    targets = tuple(Target(c, ingress[c.member]) for c in candidates if ingress.get(c.member))
    return Steered(definition.name, definition.zone, definition.member, targets)

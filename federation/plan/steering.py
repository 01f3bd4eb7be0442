"""What an operator asked of steering, held against the ledger: what cannot be is refused, its last good stays. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches

from msgspec import Struct, structs

from federation.law.recovery import follow
from federation.model.handout import Candidate, Steered, Target
from federation.model.names import MemberName, zone_of
from federation.model.policy import Policy, is_region
from federation.model.public import GlobalName
from federation.model.routing import terms_of
from federation.model.wish import Wish

ADDRESSES_KEPT_MS = 24 * 3_600_000
"""How long after its last export a service gets the same clusterset IPs again, if they are still free."""


class Kept(Struct, frozen=True, kw_only=True):
    """What the plan of a service must remember: its last good wish, that of its namespace, and public names (by
    object), and how far each candidate is on its way back, for the service and each host. `ranked` are the exporters
    in the order of the last plan while some have no number, so that nobody who waits for one displaces another;
    `addresses` are the clusterset IPs that the cluster gave. `wants` and `grants` are what was said last, so that
    noise does not move them; after a restart they are found anew.
    """

    wish: Wish = Wish()
    namespace: Wish = Wish()
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
    """What the ledger allows: the regions that there are, and the zones in which our member may define names; the
    members, and the labels that any of them says of itself, as KEY=VALUE (None: they are not known here).
    """

    regions: tuple[str, ...]
    zones: tuple[str, ...]
    members: tuple[str, ...] = ()
    labels: tuple[str, ...] | None = None


class Definition(Struct, frozen=True):
    """A public name, the member that defines it and the granted zone in which it lies."""

    member: MemberName
    zone: str
    name: GlobalName


def accept_wish(asked: Wish | None, last: Wish, bounds: Bounds, circle: str = "") -> tuple[Wish, str]:
    """The wish in force, and why it is not the one asked for ("" when it is): then it is the `last` good one. `circle`
    says of its fallback that it is none.
    """
    if asked is None:
        return Wish(), ""
    wrong = circle or known_fault(asked, bounds)
    return (last, f"{wrong}; the last good policy stays in force") if wrong else (asked, "")


def circle_fault(name: str, fallbacks: tuple[str, ...]) -> str:
    """Why these services cannot take the place of this one in turn, or ""."""
    if name not in fallbacks:
        return ""
    way = " -> ".join((name, *fallbacks[: fallbacks.index(name) + 1]))
    return f'field "spec.panic.fallback": {way} leads back to itself'


def accept_names(
    asked: Mapping[str, GlobalName], kept: Kept, bounds: Bounds
) -> tuple[dict[str, GlobalName], dict[str, str]]:
    """The public names in force, and why those that are not as asked for are not, both by object."""
    accepted: dict[str, GlobalName] = {}
    refused: dict[str, str] = {}
    for label, name in asked.items():
        wrong = _zone_fault(name.host, bounds.zones) or known_fault(name.policy, bounds) or _tree_fault(name, bounds)
        if not wrong:
            accepted[label] = name
            continue
        stays = "the last good one stays in force" if label in kept.names else "it is not served"
        refused[label] = f"{wrong}; {stays}"
        if label in kept.names:
            accepted[label] = kept.names[label]
    return accepted, refused


def _zone_fault(host: str, zones: tuple[str, ...]) -> str:
    if zone_of(host, zones):
        return ""
    granted = ", ".join(zones) or "none"
    return f'field "spec.host": "{host}" lies in no zone granted to this member (granted: {granted})'


def known_fault(policy: Policy | Wish, bounds: Bounds) -> str:
    """What of it names a region, member or label that nobody has, or ""."""
    return _terms_fault(_terms(policy), bounds)


def _tree_fault(name: GlobalName, bounds: Bounds) -> str:
    found = terms_of(name.routing) if name.routing else ()
    return _terms_fault(((f"routing ({node})", term) for node, term in found), bounds)


def _terms_fault(terms: Iterable[tuple[str, str]], bounds: Bounds) -> str:
    for field, term in terms:
        kind, _, rest = term.partition("/")
        if kind == "member" and rest and rest not in bounds.members:
            return f'field "spec.{field}": there is no member "{rest}"; {_known(rest, bounds.members)}'
        if kind == "label" and rest and bounds.labels is not None and rest not in bounds.labels:
            return f'field "spec.{field}": no member has the label "{rest}"; {_known(rest, bounds.labels)}'
        if is_region(term) and term not in bounds.regions:
            return f'field "spec.{field}": no member is in region "{term}"; {_known(term, bounds.regions)}'
    return ""


def names_label(asked: Policy | Wish | GlobalName) -> bool:
    """True when a term of it names a label."""
    if not isinstance(asked, GlobalName):
        return any(term.startswith("label/") for _, term in _terms(asked))
    tree = terms_of(asked.routing) if asked.routing else ()
    return names_label(asked.policy) or any(term.startswith("label/") for _, term in tree)


def _terms(policy: Policy | Wish) -> Iterator[tuple[str, str]]:
    """Every term, and the field in which it stands."""
    said = {
        "order": policy.order,
        "weights": policy.weights,
        "drain": policy.drain,
        "residency": policy.residency,
        "minShare": policy.least,
        "maxShare": policy.most,
        "canary.to": policy.canary and (policy.canary.to,),
        "mirror.to": policy.mirror and (policy.mirror.to,),
        "prices": [region for price in policy.prices or () for region in (price.source, price.to) if region != "*"],
    }
    return ((field, term) for field, terms in said.items() for term in terms or ())


def _known(term: str, known: Iterable[str]) -> str:
    near = get_close_matches(term, sorted(known), 1)
    hint = f' (did you mean "{near[0]}"?)' if near else ""
    return f"known: {', '.join(sorted(known)) or 'none'}{hint}"


def followed(
    fresh: Iterable[Candidate], before: Collection[Candidate], policy: Policy, now: int, demand: int = 0, own: str = ""
) -> tuple[Candidate, ...]:
    """The candidates with their ways back, `now` in Unix milliseconds; `demand` is that of the clients of `own`.

    A capacity or a grant that is said anew is no return: what stood before is looked at with those of now.
    """
    held = {candidate.member: candidate for candidate in before}
    return tuple(
        follow(_with_room_of(c, held.get(c.member)), c, policy, now, demand=demand, own=c.member == own) for c in fresh
    )


def _with_room_of(fresh: Candidate, before: Candidate | None) -> Candidate | None:
    return before and structs.replace(before, capacity=fresh.capacity, grant=fresh.grant)


def steered(
    definition: Definition, candidates: tuple[Candidate, ...], ingress: Mapping[MemberName, tuple[str, ...]]
) -> Steered:
    """What DNS servers answer this name from: the candidates whose member has a public address."""
    targets = tuple(Target(c, ingress[c.member]) for c in candidates if ingress.get(c.member))
    return Steered(definition.name, definition.zone, definition.member, targets)

"""What policies of our cluster ask for of one service, held against the ledger, and what is said of them. Pure."""

from collections.abc import Collection, Mapping

from msgspec import Struct, structs

from federation.model.imported import Condition, Said
from federation.model.local import LocalFacts
from federation.model.names import MemberName
from federation.model.policy import Affinity
from federation.model.public import GlobalName
from federation.model.record import Export, Traits
from federation.model.wish import Wish, hint_of, over
from federation.plan.conditions import ACCESS, NAME, POLICY, accepted, known_callers, merged
from federation.plan.steering import Bounds, Kept, accept_wish, circle_fault


class Wished(Struct, frozen=True):
    """The wishes in force, of the service itself and of its `namespace`; why the TrafficPolicy of its name is not in
    force as asked for ("" when it is), and whether a last good state of it stands.
    """

    service: Wish
    namespace: Wish
    refused: str
    stands: bool

    @property
    def here(self) -> Wish:
        """What our own cluster says."""
        return over(self.service, self.namespace)

    def levels(self, federation: Wish) -> list[tuple[str, Wish]]:
        """By name, the strongest first."""
        return [("service", self.service), ("namespace", self.namespace), ("federation", federation)]


def wished(local: LocalFacts, kept: Kept, bounds: Bounds) -> Wished:
    """What the policies of our cluster come to."""
    asked = _asked(local, kept)
    service, refused = accept_wish(asked, kept.wish, bounds, circle_fault(local.key.name, local.fallbacks))
    namespace, namespace_refused = accept_wish(local.namespace_policy, kept.namespace, bounds)
    stands = local.policy is not None or (asked is not None and asked != Wish())
    return Wished(service, namespace, refused or _namespace_refused(local, namespace_refused), stands)


def _asked(local: LocalFacts, kept: Kept) -> Wish | None:
    """The wish that our cluster asks for; of one that is malformed since before our life, its last good state."""
    malformed = local.policy is None and (POLICY, local.key.name) in local.faults
    return kept.wish if malformed else local.policy


def _namespace_refused(local: LocalFacts, refused: str) -> str:
    """Why the policy of this name, which is for the whole namespace, is not in force as asked for, or ""."""
    if local.conflict:
        return f"{local.conflict}; it is not in force"
    about = (POLICY, local.key.name)
    speaks = local.policy is None and about in local.generations and about not in local.faults
    return refused if speaks else ""


def said_of_policy(local: LocalFacts, found: Wished, levels: Mapping[str, str]) -> list[Said]:
    """What is said of the TrafficPolicy of this name, if there is one; `levels` by field, where each comes from."""
    about = (POLICY, local.key.name)
    if local.policy is None and about not in local.generations and about not in local.faults:
        return []
    more: tuple[Condition, ...] = () if local.policy is None else (merged(levels),)
    return [accepted(local, POLICY, local.key.name, found.refused, found.stands, more)]


def said_of_names(local: LocalFacts, names: Mapping[str, GlobalName], refused: Mapping[str, str]) -> list[Said]:
    """What is said of the GlobalNames of this service."""
    labels = {*local.names, *(name for kind, name in local.faults if kind == NAME)}
    return [accepted(local, NAME, label, refused.get(label, ""), label in names) for label in sorted(labels)]


def said_of_access(local: LocalFacts, members: Collection[str]) -> list[Said]:
    """What is said of the AccessPolicies of which this plan speaks."""
    labels = {*local.admits, *(name for kind, name in local.faults if kind == ACCESS)}
    known = {label: known_callers(rule, members) for label, rule in local.admits.items()}
    return [accepted(local, ACCESS, label, "", label in local.admits, known.get(label, ())) for label in sorted(labels)]


def service_levels(traits: Traits) -> tuple[tuple[str, Wish], ...]:
    """What the Service object itself asks of steering, after every policy: sessionAffinity ClientIP."""
    if traits.session_affinity != "ClientIP":
        return ()
    return (("Service sessionAffinity", Wish(affinity=Affinity())),)


def exporter_levels(member: MemberName, export: Export, heeded: bool) -> tuple[tuple[str, Wish], ...]:
    """What the oldest exporter says of how its service is called. Its hint is `heeded` by those who only call it: who
    has endpoints too would let it weaken them. Its capacity is that of its own endpoints alone, in its candidate.
    """
    levels = service_levels(export.traits)
    hint = structs.replace(hint_of(export.hint), capacity=None)
    return ((f"exporter {member}", hint), *levels) if heeded else levels

"""What is said of the objects that asked for something: conditions (KEP-1645 for exports and imports). Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from federation.model.access import AccessRule
from federation.model.imported import Condition, Said
from federation.model.local import LocalFacts
from federation.plan.exports import Conflict

EXPORT, POLICY, NAME, ACCESS = "ServiceExport", "TrafficPolicy", "GlobalName", "AccessPolicy"
EGRESS = "EgressPolicy"


def import_conditions(ready: bool) -> tuple[Condition, ...]:
    """Those of a ServiceImport."""
    if ready:
        return (Condition("Ready", True, "Ready", "The import is in force in this cluster."),)
    return (Condition("Ready", False, "Pending", "The clusterset IP is not given yet."),)


def export_conditions(
    local: LocalFacts, member: bool, granted: bool, provisional: bool, conflicts: Sequence[Conflict]
) -> tuple[Condition, ...]:
    """Those of a ServiceExport: Valid, Ready and, while it or its last good state is exported, Conflict."""
    valid = _valid(local)
    if not (valid.status or _stands(local)):
        return (valid, Condition("Ready", False, "Failed", "It is not exported: see Valid."))
    if not member:
        return (valid, Condition("Ready", False, "Failed", "This cluster is no member of the federation any more."))
    return (valid, _ready(local, granted, provisional), _conflict(conflicts))


def _valid(local: LocalFacts) -> Condition:
    name = local.key.name
    wrong = local.faults.get((EXPORT, name))
    if wrong is not None:
        stays = "the last good state stays in force" if _stands(local) else "it is not exported"
        return Condition("Valid", False, "InvalidField", f"{wrong}; {stays}")
    if local.kind is None:
        return Condition("Valid", False, "NoService", f'There is no Service "{name}" in this namespace.')
    if local.kind == "ExternalName":
        return Condition("Valid", False, "InvalidServiceType", f'Service "{name}" is of type ExternalName.')
    return Condition("Valid", True, "Valid", "The service can be exported.")


def _stands(local: LocalFacts) -> bool:
    """Whether an export of ours is in force."""
    return local.exported and local.kind is not None and local.kind != "ExternalName"


def _ready(local: LocalFacts, granted: bool, provisional: bool) -> Condition:
    if not granted:
        text = (
            f'The ledger does not grant this member namespace "{local.key.namespace}": every reader refuses the export.'
        )
        return Condition("Ready", False, "Failed", text)
    wrong = next(
        (
            f"{kind} {name}: {text}"
            for (kind, name), text in sorted(local.faults.items())
            if kind not in (EXPORT, POLICY, ACCESS, EGRESS)
        ),
        "",
    )
    if wrong:
        return Condition("Ready", False, "Failed", wrong)
    if provisional:
        text = "Exported; the registrar has not numbered it yet, until then it ranks after all that it has."
        return Condition("Ready", True, "Exported", text)
    return Condition("Ready", True, "Exported", "Exported to the federation.")


def _conflict(conflicts: Sequence[Conflict]) -> Condition:
    if not conflicts:
        return Condition("Conflict", False, "NoConflicts", "All exports of this service agree.")
    reasons, texts = ",".join(c.reason for c in conflicts), " ".join(c.message for c in conflicts)
    return Condition("Conflict", True, reasons, texts)


def accepted(
    local: LocalFacts, kind: str, name: str, refused: str, stands: bool, more: tuple[Condition, ...] = ()
) -> Said:
    """What is said of a policy or GlobalName: whether it is in force as written, or else an earlier one `stands`. Why
    it is `refused` says that itself. `more` conditions stand beside.
    """
    fault = local.faults.get((kind, name))
    stays = "the last good one stays in force" if stands else "it is not in force"
    wrong = refused if fault is None else f"{fault}; {stays}"
    condition = (
        Condition("Accepted", False, "Invalid", wrong)
        if wrong
        else Condition("Accepted", True, "Accepted", "In force as written.")
    )
    return said(local, kind, name, (condition, *more))


def merged(levels: Mapping[str, str]) -> Condition:
    """Which level each field of a service's policy comes from."""
    told = ", ".join(f"{field} by {level}" for field, level in levels.items())
    return Condition("Merged", True, "Merged", told or "No level asks for anything.")


def known_callers(rule: AccessRule, members: Collection[str]) -> tuple[Condition, ...]:
    """Whether there are members of all names that the rule admits."""
    return (known_members({source.member for source in rule.sources if source.member}, members),)


def known_members(named: Iterable[str], members: Collection[str]) -> Condition:
    """Whether all of these are members: one that is to join is no mistake."""
    missing = sorted(set(named) - set(members))
    if not missing:
        return Condition("Known", True, "Known", "All members that it names are in the federation.")
    names = ", ".join(f'"{name}"' for name in missing)
    return Condition("Known", False, "NoSuchMember", f"There is no member {names} in the federation (yet).")


def said(local: LocalFacts, kind: str, name: str, conditions: tuple[Condition, ...]) -> Said:
    """Conditions of an object about this service, as of the generation that we have seen."""
    return Said(
        kind=kind,
        namespace=local.key.namespace,
        name=name,
        generation=local.generations.get((kind, name), 0),
        conditions=conditions,
    )

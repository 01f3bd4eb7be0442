"""The `manifest` check: files by the rules of the API server and the controller, without either."""

from collections.abc import Sequence
from pathlib import Path

from federation.adapters.policies import Policies
from federation.cli.finding import Finding
from federation.model.errors import InputError
from federation.model.names import ServiceKey
from federation.plan.steering import circle_fault
from federation.wire.k8s.strict import Found, read_manifest
from federation.wire.k8s.types import AccessPolicy, TrafficPolicy


def check_files(paths: Sequence[Path]) -> list[Finding]:
    """One finding a file, and one for each policy that does not go with the others. What only a federation knows (its
    regions, members and labels) is not looked at.
    """
    findings, found = [], []
    for path in paths:
        try:
            objects = read_manifest(path.read_text(), str(path))
        except InputError as error:
            findings.append(Finding("manifest", "problem", error.text))
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else f"is not UTF-8 ({error.reason})"
            findings.append(Finding("manifest", "problem", f"{path}: {why}"))
        else:
            found += objects
            findings.append(Finding("manifest", "ok", f"{path}: {len(objects)} objects without a mistake"))
    return [*findings, *_together(found)]


def _together(found: Sequence[Found]) -> list[Finding]:
    policies = Policies()
    for one in found:
        if isinstance(one.value, TrafficPolicy | AccessPolicy):
            policies.put(one.value)
    findings = []
    for one in found:
        key = ServiceKey(one.value.metadata.namespace, one.value.metadata.name)
        if isinstance(one.value, TrafficPolicy):
            wrong = policies.conflict(key) or circle_fault(key.name, policies.fallbacks(key))
            findings += [Finding("manifest", "problem", f"{one.place}: {wrong}")] if wrong else []
    return findings

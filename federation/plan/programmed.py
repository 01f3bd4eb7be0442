"""What our proxies refuse of a service, said on the object that asked for it. Pure."""

from collections.abc import Mapping, Sequence

from msgspec import structs

from federation.model.imported import ClusterObject, Condition, ImportObject, Said
from federation.plan.conditions import EXPORT, POLICY

NODES_SHOWN = 3


def programmed(refused: Mapping[str, str]) -> Condition:
    """Whether our proxies took what was made of the service; what those say who did not, by node."""
    if not refused:
        return Condition("Programmed", True, "Programmed", "No proxy of this cluster refuses it.")
    return Condition("Programmed", False, "Refused", f"{words(refused)}; its last good form goes on there")


def words(refused: Mapping[str, str]) -> str:
    """The proxies' own words, with their nodes."""
    told = "; ".join(f'Envoy on node "{node}": {text}' for node, text in sorted(refused.items())[:NODES_SHOWN])
    return told + (f"; and on {len(refused) - NODES_SHOWN} more" if len(refused) > NODES_SHOWN else "")


def with_program(objects: Sequence[ClusterObject], refused: Mapping[str, str]) -> tuple[ClusterObject, ...]:
    """The objects of a service with the condition Programmed on its TrafficPolicy; where it has none, and only while
    anything is refused, on its ServiceExport, or else its ServiceImport.
    """
    found = list(objects)
    bearer = _bearer(found, bool(refused))
    if bearer is not None:
        one = found[bearer]
        assert isinstance(one, Said | ImportObject)
        found[bearer] = structs.replace(one, conditions=(*one.conditions, programmed(refused)))
    return tuple(found)


def _bearer(objects: Sequence[ClusterObject], refused: bool) -> int | None:
    places = {_kind(one): place for place, one in enumerate(objects)}
    if POLICY in places or not refused:
        return places.get(POLICY)
    return places.get(EXPORT, places.get("ServiceImport"))


def _kind(one: ClusterObject) -> str:
    return "ServiceImport" if isinstance(one, ImportObject) else one.kind if isinstance(one, Said) else ""

"""What of our cluster's facts can be exported, and a line for what cannot. Pure."""

from msgspec import structs

from federation.model.local import LocalFacts
from federation.model.record import SLICE_ENDPOINTS_MAX, with_unready


def bounded(local: LocalFacts) -> tuple[LocalFacts, tuple[str, ...]]:
    """The facts with no slice beyond SLICE_ENDPOINTS_MAX endpoints, and one line for each that was cut."""
    wide = [part for part in local.slices if len(part.endpoints) > SLICE_ENDPOINTS_MAX]
    if not wide:
        return local, ()
    slices = tuple(structs.replace(part, endpoints=part.endpoints[:SLICE_ENDPOINTS_MAX]) for part in local.slices)
    return structs.replace(local, slices=slices), tuple(
        f"Service {local.key}: {len(part.endpoints)} endpoints in zone {part.az}, limit {SLICE_ENDPOINTS_MAX}; "
        "the rest is left out: spread them over zones or services"
        for part in wide
    )


def local_notes(local: LocalFacts) -> tuple[str, ...]:
    """What a person should know of an export that is none."""
    if local.exported and local.kind is None:
        return (f"ServiceExport {local.key}: Valid=False/NoService: there is no Service of this name",)
    if local.exported and local.kind == "ExternalName":
        return (f"ServiceExport {local.key}: Valid=False/InvalidServiceType: ExternalName cannot be exported",)
    return ()


def without_failing(local: LocalFacts, addresses: frozenset[str]) -> LocalFacts:
    """The facts with these endpoints unready: our own agents' probes fail there."""
    if not addresses:
        return local
    slices = (
        structs.replace(part, endpoints=tuple(sorted(with_unready(part.endpoints, addresses)))) for part in local.slices
    )
    return structs.replace(local, slices=tuple(slices))

"""What a report says of flows, held against what can be true. Pure."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from federation.model.errors import Refused
from federation.model.flows import Flow, FlowReport
from federation.model.names import ServiceKey

PREFIX = "flow/"
MRPS_MAX = 10**12
PPM = 1_000_000


def flows_of(changed: Mapping[str, Struct | None], removed: Iterable[str]) -> dict[ServiceKey, FlowReport | None]:
    """The flows that are said anew of each service, None where there are none any more. Refused (E120) when a report is
    about another service than its key, or counts what cannot be.
    """
    found: dict[ServiceKey, FlowReport | None] = {_service(key): None for key in removed if key.startswith(PREFIX)}
    for key, report in changed.items():
        if isinstance(report, FlowReport):
            _check(key, report)
            found[report.service] = report
    return found


def _check(key: str, report: FlowReport) -> None:
    if key != f"{PREFIX}{report.service}":
        raise Refused(f'report "{key[:160]}" calls itself "{PREFIX}{report.service}"', "E120")
    bad = next((flow for flow in report.flows if not _possible(flow)), None)
    if bad is not None:
        said = f"{bad.mrps} thousandths of requests per second, {bad.errors} ppm errors"
        raise Refused(f'report "{key[:160]}": {said} to "{bad.to[:63]}" cannot be', "E120")
    if not 0 <= report.surge <= MRPS_MAX:
        said = f"a surge to {report.surge} thousandths of requests per second"
        raise Refused(f'report "{key[:160]}": {said} cannot be', "E120")


def _possible(flow: Flow) -> bool:
    return 0 <= flow.mrps <= MRPS_MAX and 0 <= flow.errors <= PPM


def _service(key: str) -> ServiceKey:
    namespace, _, name = key.removeprefix(PREFIX).partition("/")
    return ServiceKey(namespace, name)

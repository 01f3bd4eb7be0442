"""What the workloads of a node ask of services, as its agent reports it."""

from msgspec import Struct

from federation.model.names import MemberName, ServiceKey


class Flow(Struct, frozen=True, order=True):
    """What one workload (`namespace/account`, "" for those without an identity) asks of one member: thousandths of
    requests per second, an average over 10 s, and the part of the answers that were errors (ppm). A TCP connection
    counts as a request.
    """

    source: str
    to: MemberName
    mrps: int
    errors: int = 0


class FlowReport(Struct, frozen=True):
    """What the workloads of a node ask of one service. Key `flow/<namespace>/<name>`; held still against noise, and
    there only while there is traffic. `surge`: thousandths of requests per second that are believed of all flows
    together because they rose faster than their averages follow (`federation/law/surge.py`); 0: they did not.
    """

    service: ServiceKey
    flows: tuple[Flow, ...]
    surge: int = 0

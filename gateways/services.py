"""How services, ports and endpoints are named and read on a node, the same for both roles."""

from collections.abc import Iterable

from msgspec import structs

from federation.model.handout import Pool
from federation.model.names import ServiceKey
from federation.model.policy import Policy, Probe
from federation.model.record import is_http as is_http
from gateways.state import NOBODY, Access, Checked, Cluster, Host, Mirror, Route, Streams


def port_label(name: str, number: int) -> str:
    """A port in names: its name, or its number when it has none."""
    return name or str(number)


def sni_of(service: ServiceKey, label: str) -> str:
    """The server name by which a remote gateway tells ports apart: `<port>.<service>.<namespace>`."""
    return f"{label}.{service.name}.{service.namespace}"


def checked_endpoints(service: ServiceKey, pools: Iterable[Pool], probe: Probe | None) -> tuple[Checked, ...]:
    """The own endpoints that the service's policy wants probed: at the probe's port, else at their first TCP port."""
    if probe is None:
        return ()
    found = set()
    for pool in pools:
        port = next((port.port for port in pool.ports if port.protocol == "TCP"), 0)
        probes = tuple(one for one in probe.each if one.port or port or one.way == "icmp")
        if probes:
            held = (e.address for e in pool.endpoints if e.state != "draining")
            found |= {Checked(service, address, port, probes, probe.need) for address in held}
    return tuple(sorted(found, key=lambda one: (one.address, one.port)))


def hosts_of(pools: Iterable[Pool], port_name: str) -> tuple[Host, ...]:
    """Every endpoint behind a port of this name, sorted; an address is listed once, its best state wins."""
    best: dict[tuple[str, int], Host] = {}
    for pool in pools:
        for port in pool.ports:
            if port.name != port_name or port.protocol != "TCP":
                continue
            for endpoint in pool.endpoints:
                host = Host(endpoint.address, port.port, endpoint.state, pool.az)
                held = best.get((host.address, host.port))
                if held is None or _RANK[host.state] < _RANK[held.state]:
                    best[(host.address, host.port)] = host
    return tuple(sorted(best.values()))


_RANK = {"ready": 0, "draining": 1, "unready": 2}


def opened(hosts: tuple[Host, ...]) -> tuple[Host, ...]:
    """The same as if each were ready; those that leave are not."""
    return tuple(structs.replace(host, state="ready") if host.state == "unready" else host for host in hosts)


def route_of(
    cluster: Cluster, gateway: str = "", mirror: Mirror | None = None, fallback: str = "", access: Access = NOBODY
) -> Route:
    """The route towards a cluster of HTTP: what its policy says of requests. `fallback` is another cluster that takes
    them now, `gateway` the member whose gateway this is, `access` whose requests that takes.
    """
    return Route(
        name=cluster.name,
        cluster=fallback or cluster.name,
        resilience=cluster.resilience,
        affinity=cluster.affinity,
        mirror=mirror,
        gateway=gateway,
        access=access,
    )


def streams_of(http: bool, policy: Policy) -> Streams:
    """What a listener must know of a policy: nothing for HTTP, whose routes say it."""
    return Streams() if http else Streams(resilience=policy.resilience, affinity=policy.affinity)


def service_of(resource: str) -> ServiceKey | None:
    """Whose the Envoy resource of this name is (`out/<namespace>/<name>/...`, `in/...`); None: the node's."""
    kind, _, rest = resource.partition("/")
    namespace, _, rest = rest.partition("/")
    name = rest.partition("/")[0]
    return ServiceKey(namespace, name) if kind in ("in", "out") and name else None

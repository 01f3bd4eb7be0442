"""Which programs a member runs, each by its public command. Pure: names, namespaces, command lines, what
to wait for.
"""

from dataclasses import dataclass
from pathlib import Path

from federation.lab import netns
from federation.lab.topology import INSIDE_PORT, PUBLIC_PORT, SYNC_PORT, WEB_PORT, WIREGUARD_PORT, Member, Topology

CONTROLLER_METRICS = 9101
SIGNER_METRICS = 9105
NODES = {"gw": ("gw1", "gateway", 9102), "node": ("node1", "node", 9103), "dns": ("dns1", "dns", 9104)}
SECOND = {"gw2": ("gw2", "gateway", 9106)}
"""Folders of nodes: name, role, port of metrics; those of every member, and that of a second gateway."""
SERVICE = "shop/web"
HOST = "web.shop.svc.clusterset.local"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A long-running program. `after` must exist before it can start, `makes` exists once it serves."""

    name: str
    namespace: str
    argv: tuple[str, ...]
    after: Path | None = None
    makes: Path | None = None
    machine: bool = True


def init(topology: Topology, root: Path) -> tuple[str, ...]:
    """Found the federation at the first member."""
    member = topology.members[0]
    state = ("--state", str(root / member.name / "state"), "--domain", topology.domain)
    return ("init", *state, *_self(member), "--dns-zone", topology.zone)


def request(topology: Topology, member: Member, root: Path, federation: str) -> tuple[str, ...]:
    """Ask to join; the request lands in the member's folder."""
    folder = root / member.name
    state = ("--state", str(folder / "state"), "--domain", topology.domain, "--federation", federation)
    return ("member", "request", *state, *_self(member), "--out", str(folder / "request"))


def admit(topology: Topology, member: Member, root: Path) -> tuple[str, ...]:
    """Let the registrar admit it; the new ledger lands in the member's folder."""
    folder, first = root / member.name, root / topology.names[0]
    files = ("--request", str(folder / "request"), "--ledger", str(folder / "ledger"))
    return ("member", "admit", "--state", str(first / "state"), *files, "--dns-zone", topology.zone)


def accept(member: Member, root: Path, ledger: Path) -> tuple[str, ...]:
    """Take a ledger into force."""
    return ("member", "accept", "--state", str(root / member.name / "state"), "--ledger", str(ledger))


def places(member: Member) -> tuple[str, ...]:
    """The folders of a member's nodes."""
    return (*NODES, *SECOND) if member.second else tuple(NODES)


def enroll(member: Member, root: Path, place: str) -> tuple[str, ...]:
    """Give the node in folder `place` (gw, node, dns, gw2) its identity."""
    name, role, _ = (NODES | SECOND)[place]
    folder = root / member.name
    accounts = {"client": member.client, "ingress": member.ingress} if role == "node" else {}
    workloads = [part for name, pod in accounts.items() for part in ("--workload", f"shop/{name}={pod}")]
    where = (
        "--state",
        str(folder / "state"),
        "--name",
        name,
        "--role",
        role,
        "--controller",
        f"{member.gateway}:{SYNC_PORT}",
    )
    return ("enroll", *where, *workloads, "--out", str(folder / place))


def signer(lab: str, member: Member, root: Path) -> Wanted:
    """The process that holds the member's CA key."""
    state = root / member.name / "state"
    argv = ("signer", "--state", str(state), "--metrics", f"127.0.0.1:{SIGNER_METRICS}")
    return Wanted(f"{member.name}-signer", netns.machine(lab, member.name), argv, makes=state / "signer.sock")


def controller(lab: str, member: Member, root: Path, kubernetes: bool = False) -> Wanted:
    """The member's controller; it watches manifests, or the member's API server."""
    folder = root / member.name
    state = folder / "state"
    watched = ("--kubeconfig", str(folder / "kubeconfig")) if kubernetes else ("--manifests", str(folder / "manifests"))
    listen = ("--listen", f"0.0.0.0:{SYNC_PORT}", "--metrics", f"127.0.0.1:{CONTROLLER_METRICS}")
    argv = ("controller", "--state", str(state), *watched, *listen)
    return Wanted(f"{member.name}-controller", netns.machine(lab, member.name), argv, makes=state / "api.sock")


def data_path(lab: str, member: Member, root: Path) -> tuple[Wanted, ...]:
    """Agents, Envoys and the DNS server: what must serve from disk when everything else is dead."""
    space, folder = netns.machine(lab, member.name), root / member.name
    found: list[Wanted] = []
    for place, label in (("gw", "gateway"), ("node", "node")):
        extra = _of_gateway(member) if place == "gw" else _pods(member)
        where = ("--address", member.gateway, "--metrics", f"127.0.0.1:{NODES[place][2]}", *extra)
        found += _with_envoy(f"{member.name}-{label}", space, folder / place, where)
    state = folder / "dns"
    listen = ("--listen", f"{member.gateway}:53", "--listen", f"{member.underlay}:53")
    serve = (*listen, "--subnets", str(subnets(member, root)), "--metrics", f"127.0.0.1:{NODES['dns'][2]}")
    return (*found, Wanted(f"{member.name}-dns", space, ("dns", "serve", "--state", str(state), *serve)))


def _with_envoy(name: str, space: str, state: Path, where: tuple[str, ...]) -> tuple[Wanted, Wanted]:
    """An agent and its Envoy."""
    agent = ("agent", "run", "--state", str(state), *where)
    envoy = ("agent", "envoy", "--state", str(state))
    return (
        Wanted(f"{name}-agent", space, agent, makes=state / "envoy.json"),
        Wanted(f"{name}-envoy", space, envoy, after=state / "xds.sock"),
    )


def _pods(member: Member) -> tuple[str, ...]:
    """Of its range those /24 that machines have no address in."""
    return tuple(part for third in (1, 2) for part in ("--pods", f"10.{member.number}.{third}.0/24"))


def _of_gateway(member: Member) -> tuple[str, ...]:
    """Nodes have tunnels to gateways on other machines only, so that where all stands on one takes none."""
    inside = ("--inside", f"{member.gateway}:{INSIDE_PORT}") if member.second else ()
    return ("--underlay", f"{member.underlay}:{WIREGUARD_PORT}", *inside)


def second_gateway(lab: str, member: Member, root: Path) -> tuple[Wanted, ...]:
    """The agent and Envoy of a second gateway, where there is one."""
    if not member.second:
        return ()
    space, state = netns.machine(lab, member.second_machine), root / member.name / "gw2"
    underlay, inside = f"{member.second_underlay}:{WIREGUARD_PORT}", f"{member.second_address}:{INSIDE_PORT}"
    where = ("--address", member.second_address, "--underlay", underlay, "--inside", inside)
    metrics = ("--metrics", f"127.0.0.1:{SECOND['gw2'][2]}")
    return _with_envoy(f"{member.name}-gateway2", space, state, (*where, *metrics))


def subnets(member: Member, root: Path) -> Path:
    """The file that tells the member's DNS server where clients stand."""
    return root / member.name / "subnets"


def subnet_lines(topology: Topology) -> str:
    """Its content: every member's pods, and its machine as a resolver."""
    return "".join(f"{m.pod_prefix} {m.region}\n{m.underlay}/32 {m.region}\n" for m in topology.members)


def pods(lab: str, member: Member) -> tuple[Wanted, ...]:
    """All endpoint pods of a member in one process, and its ingress pod."""
    each = [part for pod in member.all_pods for part in ("--pod", pod.service, pod.name, pod.address)]
    web = ("endpoint", "--member", member.name, "--port", str(WEB_PORT), *each)
    public = ("ingress", "--address", member.public, "--port", str(PUBLIC_PORT), "--to", f"{HOST}:{PUBLIC_PORT}")
    return (
        Wanted(f"{member.name}-web", netns.web(lab, member.name), web, machine=False),
        Wanted(f"{member.name}-ingress", netns.ingress(lab, member.name), public, machine=False),
    )


def wan(lab: str, topology: Topology, control: Path, rtt_ms: float | None, seed: int = 1) -> Wanted:
    """The WAN; `rtt_ms` stands in for the topology's table."""
    ports = [part for name in topology.ports for part in ("--port", name)]
    delays = []
    for a, b in topology.pairs():
        rtt = topology.rtt_ms(a, b) if rtt_ms is None else rtt_ms
        delays += ["--delay", f"{a}:{b}:{rtt / 2:g}"]
    argv = ("shim", "--control", str(control), "--seed", str(seed), *ports, *delays)
    return Wanted("wan", netns.wan(lab), argv, makes=control, machine=False)


def _self(member: Member) -> tuple[str, ...]:
    name = ("--name", member.name, "--region", member.region, "--az", member.zones[0])
    ranges = ("--reachable", member.pod_prefix, "--clusterset", member.clusterset_prefix)
    return (*name, *ranges, "--sync", member.sync, "--ingress", member.public, "--nameserver", member.underlay)

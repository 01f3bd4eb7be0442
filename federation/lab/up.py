"""Raise a lab, wholly or not at all."""

import json
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from federation.lab import api, manifests, netns, process, programs, servers, shim
from federation.lab.cluster import cluster_of
from federation.lab.down import take_down
from federation.lab.inside import inside
from federation.lab.preflight import preflight
from federation.lab.programs import Wanted
from federation.lab.state import UP, Lab, changing, create
from federation.lab.topology import AWAY, PUBLIC_PORT, WEB_PORT, Member, Topology, topology_of

READY_SECONDS = 60.0
START_SECONDS = 30.0
UAPI = Path("/run/wireguard")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """`rtt_ms` None: the topology's table. `bare`: no federation, only what is around it. `kubernetes`: `double` or
    `real`, the sort of API server that each member gets; "" for manifests. `second`: one member has a second gateway.
    """

    rtt_ms: float | None = None
    bare: bool = False
    kubernetes: str = ""
    second: bool = False


def raise_lab(directory: Path, options: Options, say: Say) -> Lab:
    """A lab that is up and ready; whatever goes wrong, what was made is taken down before the error goes
    on.
    """
    preflight()
    if options.kubernetes == servers.REAL:
        servers.assets()
    lab = create(directory)
    try:
        with changing(lab.directory) as state:
            state.rtt_ms, state.bare, state.kubernetes = options.rtt_ms, options.bare, options.kubernetes
            state.second = options.second
        lab.kubernetes, lab.second = options.kubernetes, options.second
        _raise(lab, options, say, topology_of(options.second))
    except BaseException as error:
        take_down(lab.path, keep_logs=not isinstance(error, KeyboardInterrupt))
        raise
    return lab


def _raise(lab: Lab, options: Options, say: Say, topology: Topology) -> None:
    begin = time.monotonic()
    netns.raise_network(netns.plan(lab.lab, topology, bool(lab.kubernetes)))
    start(lab, programs.wan(lab.lab, topology, lab.wan_socket, options.rtt_ms))
    if lab.kubernetes:
        servers.start_servers(lab, topology)
    for member in topology.members:
        given = lab.member(member.name) if lab.kubernetes else lab.member(member.name) / "manifests"
        given.mkdir(parents=True, exist_ok=True)
        for pod in programs.pods(lab.lab, member):
            start(lab, pod)
    process.wait_for(lab, lambda: wan_ready(lab), START_SECONDS, ["wan"])
    for member in topology.members:
        space = netns.machine(lab.lab, member.name)
        last = member.all_pods[-1].address
        for name, address, port in (("web", last, WEB_PORT), ("ingress", member.public, PUBLIC_PORT)):
            process.wait_for(lab, partial(listens, space, address, port), START_SECONDS, [f"{member.name}-{name}"])
    say(f"network and WAN are up ({time.monotonic() - begin:.1f} s)")
    if lab.kubernetes:
        servers.prepare_servers(lab, topology)
        say(f"every member's API server serves our kinds ({time.monotonic() - begin:.1f} s)")
    away = topology.member(AWAY)
    manifests.set_endpoints(cluster_of(lab, AWAY), [manifests.Listed(pod) for pod in away.endpoints[:2]])
    if not options.bare:
        found_federation(lab, topology)
        say(f"federation {lab.federation} is founded ({time.monotonic() - begin:.1f} s)")
        enroll(lab, topology)
        start_controllers(lab, topology)
        start_data_path(lab, topology)
        say(f"every program is started ({time.monotonic() - begin:.1f} s)")
        wait_ready(lab, topology)
    with changing(lab.directory) as state:
        state.state, state.federation = UP, lab.federation
    say(f"lab {lab.lab} is up in {lab.directory} ({time.monotonic() - begin:.1f} s)")
    if lab.kubernetes:
        say(f"its API servers: isthmus lab kubectl --dir {lab.directory} {AWAY} get serviceimports -A")


def start(lab: Lab, wanted: Wanted) -> None:
    """Start one program; programs of a machine get a /run/wireguard of their member's own."""
    if wanted.after is not None:
        path = wanted.after
        process.wait_for(lab, lambda: process.there(path), START_SECONDS, _relatives(lab, wanted))
    if not wanted.machine:
        process.start(lab, wanted.name, wanted.namespace, process.wrapped(wanted.namespace, process.own(*wanted.argv)))
        return
    member = wanted.namespace.removeprefix(netns.prefix(lab.lab))
    private = lab.member(member) / "wireguard"
    private.mkdir(mode=0o700, parents=True, exist_ok=True)
    UAPI.mkdir(mode=0o700, exist_ok=True)
    line = process.wrapped(wanted.namespace, process.isthmus(*wanted.argv), private)
    process.start(lab, wanted.name, wanted.namespace, line)


def _relatives(lab: Lab, wanted: Wanted) -> list[str]:
    return [name for name in lab.programs if name == wanted.name.replace("-envoy", "-agent")]


def wan_ready(lab: Lab) -> str:
    """For wait_for: the WAN answers."""
    try:
        shim.ask(lab.wan_socket, {"op": "get"})
    except OSError:
        return "the WAN does not answer"
    return ""


def listens(namespace: str, address: str, port: int) -> str:
    """For wait_for: something accepts connections there, seen from `namespace`."""
    try:
        inside(namespace, lambda: socket.create_connection((address, port), 1).close())
    except OSError as error:
        return f"{address}:{port} does not answer ({error.strerror or error})"
    return ""


def found_federation(lab: Lab, topology: Topology) -> None:
    """init at the first member, then request, admit and accept for the further ones."""
    first, *others = topology.members
    said = run(lab, [("init", first, programs.init(topology, lab.path))])
    lab.federation = str(json.loads(said[0])["federation"])
    run(lab, [("join", one, programs.request(topology, one, lab.path, lab.federation)) for one in others])
    for member in others:
        run(lab, [("join", first, programs.admit(topology, member, lab.path))])
    latest = lab.member(others[-1].name) / "ledger"
    run(lab, [("join", one, programs.accept(one, lab.path, latest)) for one in others])


def run(lab: Lab, steps: Iterable[tuple[str, Member, Iterable[str]]]) -> list[str]:
    """Run short public commands side by side on their members' machines; their outputs."""
    return process.run(
        lab,
        [
            process.Job(f"{member.name}-{what}", netns.machine(lab.lab, member.name), process.isthmus(*argv))
            for what, member, argv in steps
        ],
    )


def enroll(lab: Lab, topology: Topology) -> None:
    """Start the members' signers and give each node an identity."""
    wanted = [programs.signer(lab.lab, member, lab.path) for member in topology.members]
    for one in wanted:
        start(lab, one)
    for one in wanted:
        wait_made(lab, one)
    for member in topology.members:
        run(lab, [("enroll", member, programs.enroll(member, lab.path, place)) for place in programs.places(member)])


def wait_made(lab: Lab, wanted: Wanted) -> None:
    """Wait for the file that shows that a started program serves."""
    path = wanted.makes
    if path is not None:
        process.wait_for(lab, lambda: process.there(path), START_SECONDS, [wanted.name])


def start_controllers(lab: Lab, topology: Topology) -> None:
    """Start every member's controller."""
    for member in topology.members:
        start(lab, programs.controller(lab.lab, member, lab.path, bool(lab.kubernetes)))


def start_data_path(lab: Lab, topology: Topology) -> None:
    """Start every member's agents and DNS server, then its Envoys."""
    for member in topology.members:
        programs.subnets(member, lab.path).write_text(programs.subnet_lines(topology))
    each = (programs.data_path, programs.second_gateway)
    wanted = [one for member in topology.members for made in each for one in made(lab.lab, member, lab.path)]
    for one in sorted(wanted, key=lambda one: one.after is not None):
        start(lab, one)


def wait_ready(lab: Lab, topology: Topology, seconds: float = READY_SECONDS) -> None:
    """Wait until every member's status says that nothing is missing; LabError names the first thing that
    is.
    """
    process.wait_for(lab, lambda: "; ".join(missing(lab, topology)[:1]), seconds, list(lab.programs))


def missing(lab: Lab, topology: Topology) -> list[str]:
    """What the members' own statuses say is not ready."""
    found = []
    for name in topology.names:
        try:
            found += api.problems(status(lab, name), topology.names)
        except (OSError, ValueError) as error:
            found.append(f"{name}: its API does not answer ({error})")
    return found


def status(lab: Lab, member: str) -> dict[str, object]:
    """A member's /v1/status; OSError or ValueError when it has none."""
    return api.get(lab.member(member) / "state" / "api.sock", "/v1/status")

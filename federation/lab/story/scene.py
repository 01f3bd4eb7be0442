"""What the story's steps share: who plays which part, the clients and DNS pollers that look on, what is recorded."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from federation.lab import api, look, manifests, netns, process, up
from federation.lab.cluster import Part, cluster_of
from federation.lab.dns_client import Poller, Question, Reply, polling
from federation.lab.look import Answer
from federation.lab.manifests import PUBLIC_HOST, Listed, Return
from federation.lab.state import Lab
from federation.lab.story.measure import Window, unanswered
from federation.lab.topology import NAMESPACE, PAY, WEB, Member, Topology

EAST, WEST, CENTRAL = "us-east", "us-west", "eu-central"
"""East is cut off and comes back; the clients that mind stand in West, to which East is nearer than Central."""

BACK = Return(percent=10, seconds=1)
WEB_EACH = 4
POINTS = 3.0
GAP_SECONDS = 3.0
SETTLE_SECONDS = 30.0
CHANGE_POLL, LIVE_POLL = 0.05, 0.1
PACED = ("--rate", "50", "--timeout", "1", "--keep")


@dataclass(frozen=True, slots=True)
class Take:
    """What was recorded of one change: `windows` are whole seconds of requests by who answered."""

    step: str
    service: str
    member: str
    windows: list[Window]


@dataclass(slots=True)
class Scene:
    """A lab that is up. `polls` and `live` are there while watched() lasts, by the member whose DNS server is asked."""

    lab: Lab
    topology: Topology
    back: Return = BACK
    healthy: int = manifests.HEALTHY
    polls: dict[str, Poller] = field(default_factory=dict)
    live: dict[str, Poller] = field(default_factory=dict)
    takes: list[Take] = field(default_factory=list)

    def member(self, name: str) -> Member:
        """One of the lab's members."""
        return self.topology.member(name)

    def offer(self, member: str, service: str, ready: int, listed: int) -> None:
        """Let a member list so many endpoints of a service, the first of them ready."""
        manifests.set_endpoints(cluster_of(self.lab, member), self._listed(member, service, ready, listed), service)

    def _listed(self, member: str, service: str, ready: int, listed: int) -> list[Listed]:
        pods = self.member(member).pods(service)[:listed]
        return [Listed(pod, ready=place < ready) for place, pod in enumerate(pods)]

    def _parts(self, member: str) -> list[Part]:
        pays = {EAST: 1, CENTRAL: 2}.get(member, 0)
        offered = [(WEB, WEB_EACH), *([(PAY, pays)] if pays else [])]
        parts = [manifests.policy(self.back, service) for service in (WEB, PAY)]
        for service, count in offered:
            listed = self._listed(member, service, count, count)
            parts += [
                manifests.endpoints(listed, service),
                manifests.access(manifests.CLIENTS, service),
                manifests.exported(service),
            ]
        return parts + ([manifests.public_name(self.back, self.healthy)] if member == EAST else [])

    def dress(self) -> None:
        """Every member offers four endpoints of web and states the policies; Central offers two of pay, East one."""
        for name in self.topology.names:
            cluster_of(self.lab, name).only(self._parts(name))

    def settle(self, wanted: dict[str, int], service: str, member: str) -> None:
        """Wait until this member's controller states these shares (ppm) and its nodes have them in force; LabError when
        it does not happen.
        """
        key = f"{NAMESPACE}/{service}"

        def stated() -> str:
            try:
                found = look.explain(self.lab, member, key)
            except ValueError as error:
                return str(error)
            return "" if found == wanted else f"{member} states {found} for {key}, not {wanted}"

        process.wait_for(self.lab, stated, SETTLE_SECONDS)
        process.wait_for(self.lab, lambda: "; ".join(up.missing(self.lab, self.topology)[:1]), SETTLE_SECONDS)

    def inputs(self, member: str, service: str, about: str) -> dict[str, Any]:
        """What the law is told in `member` about one candidate for a service; KeyError when it is none."""
        socket = look.api_socket(self.lab, member)
        said = api.get(socket, "/v1/explain", of=f"{NAMESPACE}/{service}", **{"from": member})
        return {str(row["member"]): dict(row) for row in said["inputs"]}[about]

    def unlived(self, begin: float) -> list[tuple[str, Reply]]:
        """Replies since then in which a live name had no address, each with the member whose server gave it."""
        polled = [(name, poller) for polls in (self.polls, self.live) for name, poller in polls.items()]
        return [(name, one) for name, poller in polled for one in unanswered(poller.replies) if one.t >= begin]


def url(service: str) -> str:
    """How a pod calls a service of the lab."""
    return f"http://{service}.{NAMESPACE}.svc.clusterset.local:80/"


def subnet(member: Member) -> str:
    """The client subnet (RFC 7871) of a member's pods."""
    return f"10.{member.number}.2.0/24"


@contextmanager
def watched(scene: Scene) -> Iterator[None]:
    """Poll every member's DNS server from its own machine: the public name for clients of East and of West every 50 ms,
    and the names of both services every 100 ms.
    """
    with ExitStack() as stack:
        for member in scene.topology.members:
            machine = netns.machine(scene.lab.lab, member.name)
            clients = [subnet(scene.member(name)) for name in (EAST, WEST)]
            public = [Question(member.gateway, PUBLIC_HOST, ecs) for ecs in clients]
            services = [Question(member.gateway, f"{name}.{NAMESPACE}.svc.clusterset.local") for name in (WEB, PAY)]
            scene.polls[member.name] = stack.enter_context(polling(machine, public, CHANGE_POLL))
            scene.live[member.name] = stack.enter_context(polling(machine, services, LIVE_POLL))
        yield


@contextmanager
def paying(scene: Scene) -> Iterator[dict[str, list[Answer]]]:
    """Open-loop clients of pay in West during the block, 50 requests a second each: one that GETs, one that POSTs."""
    with ExitStack() as stack:
        yield {
            method: stack.enter_context(look.recording(scene.lab, WEST, "--method", method, *PACED, url=url(PAY)))
            for method in ("GET", "POST")
        }

"""us-east over an API server, where pods of three service accounts may enrol themselves; nodes, pods and tokens of it."""

import itertools
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.netns.spaces import Space, sh
from tests.worlds.clusters import Cluster
from tests.worlds.ports import free_port
from tests.worlds.public_cli import Site

ROLES = ("gateway", "node", "dns")
MEMBER = "us-east.acme.mesh"
ABOVE, BELOW = "198.18.77.1", "198.18.77.2"
"""The ends of the cable between this machine and the namespace of the programs."""
_PODS = itertools.count(1)


class Town:
    """The member `site`, its cluster, and the namespace of its service accounts."""

    def __init__(self, site: Site, cluster: Cluster, space: Space, enroll: str) -> None:
        self.site, self.cluster, self.space, self.enroll = site, cluster, space, enroll
        self.namespace = ""
        self.nodes: list[str] = []

    def node(self, name: str) -> str:
        """A Node object of this name."""
        self.cluster.ok("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
        self.nodes.append(name)
        return name

    def account(self, name: str) -> None:
        """A service account."""
        made = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
        self.cluster.ok("POST", f"/api/v1/namespaces/{self.namespace}/serviceaccounts", made)

    def pod(self, account: str, node: str) -> str:
        """A pod of this account that is bound to this node; its name."""
        name = f"{account}-{next(_PODS)}"
        spec = {"serviceAccountName": account, "nodeName": node, "containers": [{"name": "c", "image": "i"}]}
        made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        self.cluster.ok("POST", f"/api/v1/namespaces/{self.namespace}/pods", made)
        return name

    def token(self, account: str, pod: str, audience: str = "isthmus") -> str:
        """A token of this account, bound to this pod ("": to none); without an audience for the API server."""
        spec: dict[str, Any] = {"audiences": [audience]} if audience else {"audiences": []}
        if pod:
            spec["boundObjectRef"] = {"kind": "Pod", "apiVersion": "v1", "name": pod}
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{account}/token"
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        return str(self.cluster.ok("POST", path, asked)["status"]["token"])

    def how(self, name: str, token: str) -> tuple[str, ...]:
        """The options with which a program enrols itself by this token."""
        path, anchor = self.site.path / f"{name}.token", self.site.path / "anchors.pem"
        path.write_text(token)
        anchor.write_text(self.site.folder("us-east").anchor.read_text())
        to = ("--enroll", self.enroll, "--controller", self.site.listen, "--member", MEMBER)
        return (*to, "--enroll-token", str(path), "--enroll-anchor", str(anchor))

    def agent(self, role: str, token: str, *more: str) -> Path:
        """A node agent in the namespace; its folder."""
        state = self.site.path / f"agent-{role}"
        where = ("--state", str(state), "--address", BELOW, "--role", role)
        inside = ("ip", "netns", "exec", self.space.name)
        self.site.launch(f"agent-{role}", "agent", "run", *where, *more, *self.how(role, token), inside=inside)
        return state

    def dns(self, token: str, name: str = "dns") -> Path:
        """A DNS server; its folder."""
        state = self.site.path / name
        where = ("--state", str(state), "--listen", f"127.0.0.1:{free_port()}")
        self.site.launch(name, "dns", "serve", *where, *self.how(name, token))
        return state

    def sessions(self) -> dict[str, str]:
        """Role by name of every program that is connected now."""
        return {one["node"]: one["role"] for one in self.site.status("us-east")["nodes"] if one["session"] == "up"}


@contextmanager
def town(cluster: Cluster) -> Iterator[Town]:
    """Founded and running; everything is ended and removed with the block."""
    space = Space("enrol")
    cable = f"ist{space.name[3:9]}a"
    sh("ip", "link", "add", cable, "type", "veth", "peer", "name", "up0", "netns", space.name)
    with tempfile.TemporaryDirectory(prefix="ist-") as folder:
        site = Site(Path(folder), ("us-east",))
        made = Town(site, cluster, space, f"{ABOVE}:{free_port()}")
        try:
            sh("ip", "addr", "add", f"{ABOVE}/30", "dev", cable)
            sh("ip", "link", "set", cable, "up")
            space.ip("addr", "add", f"{BELOW}/30", "dev", "up0")
            space.ip("link", "set", "up0", "up")
            made.namespace = cluster.namespace()
            site.listens["us-east"] = site.sync["us-east"] = f"{ABOVE}:{free_port()}"
            accounts = [("--enroll", f"{role}={made.namespace}/{role}") for role in ROLES]
            site.enrolling = ("--enroll-listen", made.enroll, *(word for pair in accounts for word in pair))
            for role in (*ROLES, "client", "other"):
                made.account(role)
            site.found()
            site.run("us-east", cluster.kubeconfig)
            yield made
        finally:
            site.stop()
            for name in made.nodes:
                cluster.call("DELETE", f"/api/v1/nodes/{name}")
            space.remove()
            with suppress(AssertionError):
                sh("ip", "link", "del", cable)


def enrolled(state: Path) -> dict[str, Any]:
    """What enrolment left in a program's folder."""
    return dict(json.loads((state / "enrolled.json").read_text()))

"""A process in a pod gets its identity by its service account token: a real controller over the API double, a node
agent with its Workload API, and processes that each see a token of their own where the kubelet would mount it.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.link.feed import Feed
from gateways.daemon import Agent
from gateways.identity.process import TOKEN_FILE
from gateways.kernel.memory import Twin
from gateways.state import Situation
from tests.e2e.test_kubernetes_member import member
from tests.worlds.federated import Member
from tests.worlds.public_cli import Site

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="SERVICE ACCOUNTS NOT TESTED: not root, cannot mount")
HERE = "ip-10-0-1-23.ec2.internal"
WHO = """
import sys
from spiffe import WorkloadApiClient
try:
    with WorkloadApiClient("unix://" + sys.argv[1], default_timeout=10) as client:
        print(client.fetch_x509_svid().spiffe_id)
except Exception as error:
    print(error)
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[Site, Member]]:
    with member(tmp_path) as (site, cluster):
        enrolled = ("--workload-kubernetes", "shop/client", "--kubernetes-node", "ip-10-0-1-23.ec2.internal")
        state = ("--state", str(site.folder("us-east").path))
        out = ("--name", "n1", "--role", "node", "--controller", site.listen, "--out", str(tmp_path / "n1"))
        site.cli("enroll", *state, *out, *enrolled)
        yield site, cluster


def token(member: Member, account: str, pod: str, node: str) -> str:
    """A token of this account that is bound to a new pod on this node (TokenRequest), as the kubelet gets it."""
    home = f"/api/v1/namespaces/{member.namespace}"
    of = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}}
    if member.cluster.call("GET", f"{home}/serviceaccounts/{account}").code == 404:
        member.cluster.ok("POST", f"{home}/serviceaccounts", of)
    runs = {"nodeName": node, "serviceAccountName": account, "containers": [{"name": "c", "image": "c"}]}
    value = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod}, "spec": runs}
    member.cluster.ok("POST", f"{home}/pods", value)
    bound = {"kind": "Pod", "apiVersion": "v1", "name": pod}
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"boundObjectRef": bound}}
    given = member.cluster.ok("POST", f"{home}/serviceaccounts/{account}/token", asked)
    return str(given["status"]["token"])


async def answers(folder: Path, tokens: list[str]) -> list[str]:
    """What a process with each of these tokens ("": none) is told by the node's Workload API."""
    with tempfile.TemporaryDirectory(prefix="ist-") as sockets:
        path = Path(sockets) / "workload.sock"
        node = Situation(node="n1", role="node", member="us-east", domain="acme.mesh", address="127.0.0.1")
        agent = Agent(Feed.open(folder), node, Twin().kernel, Path(sockets) / "xds.sock", workload_path=path)
        running = asyncio.create_task(agent.run())
        try:
            async with asyncio.timeout(60):
                while "not at hand" in (said := await asyncio.to_thread(told, path, tokens[0])) or "no handout" in said:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
                return [said, *[await asyncio.to_thread(told, path, token) for token in tokens[1:]]]
        finally:
            running.cancel()
            await asyncio.wait([running])


def told(path: Path, token: str) -> str:
    """What one process is told; it has a mount namespace with a /run of its own."""
    file = Path("/", TOKEN_FILE)
    mounted = f"mkdir -p {file.parent} && printf %s {token} > {file}" if token else "true"
    script = f'mount -t tmpfs none /run && {mounted} && exec {sys.executable} -c "$1" {path}'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", WHO]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout.strip()


@needs_root
def test_a_pods_process_is_its_service_account(world: tuple[Site, Member], tmp_path: Path) -> None:
    _, cluster = world
    good = token(cluster, "client", "client-0", HERE)
    elsewhere, other = token(cluster, "client", "client-1", "n2"), token(cluster, "other", "other-0", HERE)
    said = asyncio.run(answers(tmp_path / "n1", [good, elsewhere, other, "forged", ""]))
    assert said[0] == "spiffe://us-east.acme.mesh/ns/shop/sa/client"
    assert 'its pod runs on node "n2", and was shown on "ip-10-0-1-23.ec2.internal"' in said[1]
    assert "is no registered workload of this node" in said[2]
    assert "the API server does not know it" in said[3]
    assert f"has no service account token at /{TOKEN_FILE}: No such file or directory" in said[4]

"""The role xds by its public commands: enrolled, in status, and serving from disk with every controller dead."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from envoy.service.discovery.v3 import discovery_pb2

from federation.link.enrolled import load_enrolled
from federation.link.leaf import Leaf, leaf_of, new_key, signing_request
from federation.link.tls import client_context
from federation.model.spiffe import account
from federation.trust.signer import ask_signer
from gateways.xds.messages import SDS
from tests.netns.spaces import await_true
from tests.worlds.ports import free_port
from tests.worlds.public_cli import Site, running
from tests.worlds.xds_client import dial

OWN = "us-east.acme.mesh"
WEB = account(OWN, "shop", "web")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with running(tmp_path) as made:
        yield made


def workload_leaf(site: Site) -> Leaf:
    key = new_key()
    chain = asyncio.run(ask_signer(site.folder("us-east").signer, signing_request(key, WEB)))
    return leaf_of(WEB, key, chain)


def answered(port: int, leaf: Leaf, anchors: str) -> list[str]:
    """The names of the secrets that a workload gets which asks for two anchors and another's leaf."""

    async def main() -> list[str]:
        said: asyncio.Queue[bytes] = asyncio.Queue()
        context = client_context(leaf, anchors)
        line = await dial("DeltaAggregatedResources", said.put_nowait, ("127.0.0.1", port), context)
        try:
            ask = discovery_pb2.DeltaDiscoveryRequest(type_url=SDS)
            ask.node.id = str(WEB)
            ask.resource_names_subscribe.extend(["anchor/us-east", str(WEB)])
            line.send(ask.SerializeToString())
            async with asyncio.timeout(10):
                response = discovery_pb2.DeltaDiscoveryResponse.FromString(await said.get())
        finally:
            line.close()
        return [one.name for one in response.resources]

    return asyncio.run(main())


def test_it_is_enrolled_shown_and_serves_with_every_controller_dead(site: Site) -> None:
    out, port = site.path / "x1", free_port()
    member = site.folder("us-east")
    where = ("--controller", site.listen, "--out", str(out))
    site.cli("enroll", "--state", str(member.path), "--name", "x1", "--role", "xds", *where)
    program = ("agent", "run", "--state", str(out), "--xds-listen", f"127.0.0.1:{port}")
    site.launch("x1", *program)

    def row() -> dict[str, object]:
        return next((dict(one) for one in site.status("us-east")["nodes"] if one["node"] == "x1"), {})

    def shown() -> list[object]:
        return [row().get(field) for field in ("current", "role", "session", "problems")]

    await_true(
        "status shows it in force, and what it lacked before its session was up is there",
        lambda: shown() == [True, "xds", "up", []],
    )
    leaf, anchors = workload_leaf(site), load_enrolled(out).anchor
    assert answered(port, leaf, anchors) == ["anchor/us-east"]
    await_true("the handout is on disk", lambda: any((out / "lkg").iterdir()))
    for one in ("us-east-controller", "us-east-signer", "x1"):
        site.kill(one)
    site.launch("x1", *program)
    await_true("it listens again", lambda: sum("port is up" in one["message"] for one in site.log("x1")) == 2)
    assert answered(port, leaf, anchors) == ["anchor/us-east"]
    assert json.loads((out / "enrolled.json").read_text())["role"] == "xds"

"""The signer's statement reaches our record and our node agents, and stands while the signer is away."""

from pathlib import Path

import pytest

from federation.link.statement import make_statement
from federation.model.handout import JwtBundle
from federation.model.record import JwtKeys, Signed
from federation.model.tokens import Authorities
from federation.wire.handout import HANDOUT
from federation.wire.record import RECORD
from tests.worlds.controller import EU, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "state")


def statement(world: World, member: str) -> Signed:
    return make_statement(Authorities(f"{member}.acme.mesh", ()), world.acme.keys[member].anchor_key)


def handed_out(world: World, agent: str) -> dict[str, object]:
    return {key: value for key, value in HANDOUT.decode_tree(world.agents.given[agent]).items() if key[:4] == "jwt/"}


def test_our_keys_and_the_peers_reach_node_agents_and_our_record(world: World) -> None:
    ours, theirs = statement(world, "us-east"), statement(world, "eu-central")
    world.peers.view["jwt"] = JwtKeys(theirs)
    world.step()
    assert handed_out(world, "node1") == {"jwt/eu-central": JwtBundle(EU, theirs)}
    world.loop.bundles.put_own(ours)
    world.step()
    assert handed_out(world, "node1")["jwt/us-east"] == JwtBundle(world.folder.own().name, ours)
    assert RECORD.decode_tree(world.peers.published[-1])["jwt"] == JwtKeys(ours)
    assert handed_out(world, "gw1") == {}


def test_they_stand_after_a_restart_without_the_signer(world: World) -> None:
    world.loop.bundles.put_own(statement(world, "us-east"))
    world.step()
    world.loop = world.start()
    world.step()
    assert "jwt" in RECORD.decode_tree(world.peers.published[-1])
    assert "jwt/us-east" in handed_out(world, "node1")


def test_the_same_statement_publishes_nothing(world: World) -> None:
    ours = statement(world, "us-east")
    world.loop.bundles.put_own(ours)
    world.step()
    count = len(world.peers.published)
    world.loop.bundles.put_own(ours)
    world.step()
    assert len(world.peers.published) == count

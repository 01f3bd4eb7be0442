"""Drains and shifts on their way through the loop: from when they count, for whom, what refuses them, what remains."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from federation.adapters.memory import ManualClock
from federation.cli.moves_tables import progress
from federation.model.errors import IsthmusError
from federation.model.ledger import Settings
from federation.model.moves import Leaving, Manner, Order, Orders, Shift
from federation.model.names import MemberName, ServiceKey
from federation.model.public import GlobalName
from federation.model.record import About, Endpoint, Export, Port, PublicName, Resource, Slice
from federation.model.report import NodeReport
from federation.model.wish import Wish
from federation.ports import AgentState
from federation.reconcile.moving import Mover
from federation.reconcile.status import status
from federation.wire.k8s.types import Drain, DrainSpec, ObjectMeta
from tests.worlds.controller import EU, World

WEB = ServiceKey("shop", "web")
US = MemberName("us-east")
NOW = 1_000_000_000
LONG = Manner(seconds=600, reason="kernel upgrade")


def eu_web(ready: int = 2, hint: Wish = Wish()) -> tuple[Resource, ...]:  # noqa: B008
    endpoints = tuple(Endpoint(f"10.2.1.{n + 11}", "ready" if n < ready else "unready") for n in range(2))
    part = Slice(service=WEB, az="a", ports=(Port("http", 8080),), endpoints=endpoints)
    return (Export(service=WEB, ports=(Port("http", 80, "TCP", "http"),), hint=hint), part)


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.local("10.1.1.11", "10.1.1.12")
    made.peer_says(*eu_web())
    made.step()
    return made


def ask(world: World, what: str, *args: Any) -> dict[str, Any]:
    """What the running controller answers; a pass follows."""
    found: dict[str, Any] = asyncio.run(getattr(Mover(world.loop), what)(*args))
    world.step()
    return found


def moves_kept(world: World) -> dict[str, bytes]:
    return world.store.items("moves/")


def refused(world: World, what: str, *args: Any) -> str:
    before = moves_kept(world)
    with pytest.raises(IsthmusError) as error:
        ask(world, what, *args)
    assert moves_kept(world) == before
    return str(error.value)


def leaving(world: World) -> dict[str, Leaving | None]:
    return {c.member: c.leaving for c in world.handout("node1")["import/shop/web"].candidates}


def drain(name: str, member: str = "", over: str = "", uid: str = "u1") -> Drain:
    return Drain(metadata=ObjectMeta(name=name, uid=uid), spec=DrainSpec(member=member, over=over))


def test_a_drain_of_ourselves_is_in_our_record_and_a_restart_does_not_begin_it_anew(world: World) -> None:
    ask(world, "drain", US, LONG)
    assert world.record()["about"].leaving == Leaving(NOW, 600)
    world.clock.advance(300)
    world.loop = world.start()
    world.peer_says(*eu_web())
    assert world.record()["about"].leaving == Leaving(NOW, 600)
    (row,) = status(world.loop)["moves"]["drains"]
    assert row == {
        "member": US,
        "by": "own record",
        "reason": "kernel upgrade",
        "since": NOW,
        "seconds": 600,
        "step": 6,
        "of": 10,
        "ahead": 0,
    }


def test_a_drain_of_another_counts_for_our_clients_alone(world: World) -> None:
    ask(world, "drain", EU, Manner())
    assert leaving(world) == {US: None, EU: Leaving(NOW)}
    assert world.record()["about"].leaving is None
    assert [row["by"] for row in status(world.loop)["moves"]["drains"]] == ["here"]


def test_a_drain_object_begins_when_it_is_first_seen_and_again_only_when_it_is_another(world: World) -> None:
    world.cluster.put(drain("upgrade", over="10m"))
    assert leaving(world)[US] == Leaving(NOW, 600)
    world.clock.advance(120)
    world.loop = world.start()
    world.peer_says(*eu_web())
    assert leaving(world)[US] == Leaving(NOW, 600)
    world.cluster.put(drain("upgrade", over="1m"))
    assert leaving(world)[US] == Leaving(NOW, 60)
    world.cluster.put(drain("upgrade", over="1m", uid="u2"))
    assert leaving(world)[US] == Leaving(NOW + 120_000, 60)
    world.cluster.drop(("Drain", "", "upgrade"))
    assert leaving(world)[US] is None


def test_drains_that_are_not_known_yet_are_not_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.cluster.put(drain("upgrade", over="10m"))
    world.step()
    monkeypatch.setattr(type(world.cluster), "drains", None)
    world.loop = world.start()
    world.peer_says(*eu_web())
    assert leaving(world)[US] == Leaving(NOW, 600)


def test_of_several_drains_of_a_member_the_one_that_is_over_first_counts(world: World) -> None:
    world.peer_says(*eu_web(), About(EU, "eu-central", "1", Leaving(NOW - 60_000, 600)))
    world.step()
    ask(world, "drain", EU, Manner(seconds=3_600))
    assert leaving(world)[EU] == Leaving(NOW - 60_000, 600)
    world.source.ledger = structs.replace(world.source.ledger, settings=Settings(drains={EU: Leaving(NOW - 1, 0)}))
    world.loop.peer_changed(EU, None)
    assert leaving(world)[EU] == Leaving(NOW - 1, 0)
    assert [row["by"] for row in status(world.loop)["moves"]["drains"]] == ["here", "ledger", "own record"]


def test_a_drain_in_the_ledger_is_no_word_of_our_own(world: World) -> None:
    world.source.ledger = structs.replace(world.source.ledger, settings=Settings(drains={US: Leaving(NOW, 60)}))
    world.loop.peer_changed(EU, None)
    assert leaving(world)[US] == Leaving(NOW, 60)
    assert world.record()["about"].leaving is None
    assert [row["by"] for row in status(world.loop)["moves"]["drains"]] == ["ledger"]


def test_a_second_drain_hastens_the_first_and_never_goes_back(world: World) -> None:
    ask(world, "drain", US, LONG)
    world.clock.advance(300)
    ask(world, "drain", US, Manner(seconds=400))
    assert leaving(world)[US] == Leaving(NOW, 400)
    assert refused(world, "drain", US, Manner(seconds=900)) == (
        'E102 member "us-east" is drained already, over 400 s, step 8 of 10: give a shorter --over to hasten it, or '
        "undrain it first"
    )


def test_undrain_ends_it_and_comes_back_by_the_ramp(world: World) -> None:
    ask(world, "drain", US, Manner())
    assert ask(world, "undrain", US) == {"member": US, "ended": {"command": True, "objects": [], "agents": []}}
    (own,) = [c for c in world.handout("node1")["import/shop/web"].candidates if c.member == US]
    assert (own.leaving, own.since) == (None, NOW)
    assert "moves/drain/us-east" not in world.store.content


def agent_says(world: World, node: str, **said: Any) -> None:
    report = NodeReport(node=node, role="node", **said)
    world.agents.said[node] = AgentState(connected=True, wanted=b"", node=report, links=(), refused="")
    world.loop.agent_reported(node)


def test_what_an_agent_was_told_is_shown_and_ended_by_undrain(world: World) -> None:
    agent_says(world, "node1", drains={EU: Order(NOW - 5_000, 60, "controllers dead")})
    world.step()
    (row,) = status(world.loop)["moves"]["drains"]
    assert (row["member"], row["by"], row["reason"]) == (EU, "agent node1", "controllers dead")
    assert ask(world, "undrain", EU)["ended"]["agents"] == ["node1"]
    assert world.handout("node1")["orders"] == Orders({EU: NOW})


def test_a_shift_of_our_own_is_for_all_and_one_of_another_for_our_clients(world: World) -> None:
    ask(world, "shift", WEB, US, EU, 250_000, LONG)
    own = Shift(service=WEB, source=US, to=EU, ppm=250_000, since=NOW, seconds=600)
    assert world.record()[f"shift/{WEB}/us-east/eu-central"] == own
    assert world.handout("node1")["import/shop/web"].shifts == (own,)
    ask(world, "shift", WEB, EU, US, 1_000, Manner())
    there = Shift(service=WEB, source=EU, to=US, ppm=1_000, since=NOW)
    assert set(world.handout("node1")["import/shop/web"].shifts) == {own, there}
    assert [key for key in world.record() if key.startswith("shift/")] == [f"shift/{WEB}/us-east/eu-central"]
    world.loop = world.start()
    world.peer_says(*eu_web())
    assert set(world.handout("node1")["import/shop/web"].shifts) == {own, there}
    assert ask(world, "unshift", WEB)["ended"] == ["eu-central to us-east", "us-east to eu-central"]
    assert world.handout("node1")["import/shop/web"].shifts == ()
    assert [key for key in world.record() if key.startswith("shift/")] == []


def test_what_another_says_of_its_own_requests_counts_until_it_is_gone(world: World) -> None:
    said = Shift(service=WEB, source=EU, to=US, ppm=500_000, since=NOW)
    world.peer_says(*eu_web(), said)
    assert world.handout("node1")["import/shop/web"].shifts == (said,)
    ours = Shift(service=WEB, source=EU, to=US, ppm=100_000, since=NOW)
    ask(world, "shift", WEB, EU, US, 100_000, Manner())
    assert world.handout("node1")["import/shop/web"].shifts == (ours,)
    ask(world, "unshift", WEB)
    assert world.handout("node1")["import/shop/web"].shifts == (said,)
    world.peer_says(*eu_web())
    assert world.handout("node1")["import/shop/web"].shifts == ()


def test_nobody_is_left_without_a_member_that_is_on_but_by_force(world: World) -> None:
    world.peer_says(*eu_web(ready=0))
    world.step()
    told = (
        'E127 safety rule "min-one-on": draining us-east leaves 0 of 2 members for shop/web; refused (--force needs '
        "--reason)"
    )
    assert refused(world, "drain", US, Manner()) == told
    assert ask(world, "drain", US, Manner(dry=True))["warnings"] == [told.removeprefix("E127 ")]
    assert leaving(world)[US] is None
    assert refused(world, "drain", US, Manner(force=True)) == (
        "E125 --force needs --reason: say why the safety rules shall not hold"
    )
    ask(world, "drain", US, Manner(force=True, reason="fire"))
    assert leaving(world)[US] == Leaving(NOW)


def test_a_drained_member_does_not_count_as_on(world: World) -> None:
    ask(world, "drain", EU, Manner(seconds=600))
    assert "0 of 2 members for shop/web" in refused(world, "drain", US, Manner())


def test_a_public_name_counts_like_a_service(world: World) -> None:
    for member, address in ((US, "198.51.100.1"), (EU, "198.51.100.2")):
        world.grant(member, dns_zones=("example.test",), ingress=(address,) if member == US else ())
    world.peer_says(*eu_web(), PublicName(GlobalName(host="shop.example.test", service=WEB)))
    world.step()
    assert refused(world, "drain", US, Manner()) == (
        'E127 safety rule "min-one-on": draining us-east leaves 0 of 1 members for shop.example.test; refused (--force '
        "needs --reason)"
    )


def test_a_dry_run_tells_shares_of_each_locality_and_begins_nothing(world: World) -> None:
    before = moves_kept(world)
    found = ask(world, "drain", US, Manner(dry=True, seconds=600))
    assert found["changes"] == [
        {"of": "shop/web", "from": "us-east", "before": {"us-east": 1_000_000}, "after": {"eu-central": 1_000_000}}
    ]
    shifted = ask(world, "shift", WEB, US, EU, 250_000, Manner(dry=True))
    assert shifted["changes"] == [
        {
            "of": "shop/web",
            "from": "us-east",
            "before": {"us-east": 1_000_000},
            "after": {"us-east": 750_000, "eu-central": 250_000},
        }
    ]
    assert moves_kept(world) == before
    assert leaving(world) == {US: None, EU: None}


def test_an_undrain_counts_at_agents_though_our_clock_was_set_back(world: World) -> None:
    """An agent that drained by itself goes by the last decision that it knew; a smaller one would never end it."""
    ask(world, "drain", EU, Manner())
    known = world.handout("node1")["orders"].decided[EU]
    assert isinstance(world.clock, ManualClock)
    world.clock.advance(-3_600)
    ask(world, "undrain", EU)
    assert world.handout("node1")["orders"].decided[EU] > known


@pytest.mark.parametrize(
    ("since", "shown"),
    [
        (NOW - 60_000, ("1970-01-12T13:45:40Z", "1h", "1 of 10")),
        (NOW + 3_480_000, ("1970-01-12T14:44:40Z", "1h", "1 of 10 (its clock is 58m ahead)")),
        ((1 << 53) - 1, ("after 9999", "1h", "1 of 10 (its clock is 2501999515h12m20s ahead)")),
    ],
)
def test_a_clock_that_is_ahead_is_told_and_any_moment_can_be_shown(
    world: World, since: int, shown: tuple[str, str, str]
) -> None:
    world.peer_says(*eu_web(), About(EU, "eu-central", "1", Leaving(since, 3_600)))
    world.step()
    assert progress(status(world.loop)["moves"]["drains"][0]) == shown


def test_a_freeze_takes_no_moves_but_lets_them_end(world: World) -> None:
    ask(world, "drain", EU, Manner())
    ask(world, "freeze", "release day")
    told = 'E127 moves are frozen: "release day"; end that with `isthmus freeze off`'
    assert refused(world, "drain", US, LONG) == told
    assert refused(world, "shift", WEB, US, EU, 1, Manner()) == told
    assert world.handout("node1")["orders"].frozen == "release day"
    world.loop = world.start()
    world.peer_says(*eu_web())
    world.cluster.put(drain("upgrade"))
    assert leaving(world) == {US: None, EU: Leaving(NOW)}
    assert status(world.loop)["moves"]["frozen"] == "release day"
    ask(world, "undrain", EU)
    ask(world, "freeze", "")
    assert leaving(world) == {US: Leaving(NOW), EU: None}


REFUSED: dict[str, tuple[tuple[Any, ...], str]] = {
    "an unknown member": (
        ("drain", "us-eats", Manner()),
        'E104 member "us-eats": is not in the ledger; known: eu-central, us-east (did you mean "us-east"?)',
    ),
    "nothing to undrain": (
        ("undrain", EU),
        'E102 member "eu-central" is not drained here: nothing to undrain',
    ),
    "nothing to unshift": (("unshift", WEB), 'E102 service "shop/web" is not shifted here: nothing to end'),
    "an unknown service": (
        ("shift", ServiceKey("shop", "wbe"), US, EU, 1, Manner()),
        'E104 service "shop/wbe" is not imported here; known: shop/web (did you mean "shop/web"?)',
    ),
    "an unknown source": (
        ("shift", WEB, "mars", EU, 1, Manner()),
        'E104 member "mars": is not in the ledger; known: eu-central, us-east',
    ),
    "from and to the same": (
        ("shift", WEB, US, US, 1, Manner()),
        'E104 --to "us-east": is the member of --from; name another',
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(world: World, case: str) -> None:
    asked, told = REFUSED[case]
    assert refused(world, *asked) == told


def test_undrain_says_where_a_member_is_drained_by_its_own_word(world: World) -> None:
    world.peer_says(*eu_web(), About(EU, "eu-central", "1", Leaving(NOW)))
    world.step()
    assert refused(world, "undrain", EU) == (
        'E102 member "eu-central" is not drained here: nothing to undrain; it is by its own word: run `isthmus undrain '
        "eu-central` there"
    )


def test_a_drain_in_a_manifest_is_ended_where_it_stands(world: World) -> None:
    world.cluster.put(drain("upgrade"))
    world.step()
    assert refused(world, "undrain", US) == (
        'E102 member "us-east" is drained by the manifest of Drain "upgrade": remove it there'
    )


def test_a_shift_to_nobody_who_is_ready_and_more_than_all_are_refused(world: World) -> None:
    world.peer_says(*eu_web(ready=0))
    world.step()
    assert refused(world, "shift", WEB, US, EU, 1, Manner()) == (
        'E127 safety rule "min-one-on": eu-central has 0 of 2 endpoints ready for shop/web; refused (--force needs '
        "--reason)"
    )


def test_a_member_that_does_not_export_the_service_takes_no_part(world: World) -> None:
    world.peer_says()
    world.step()
    assert refused(world, "shift", WEB, US, EU, 1, Manner()) == (
        'E104 --to "eu-central": does not export shop/web; members that do: us-east'
    )

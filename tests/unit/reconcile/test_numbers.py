"""Admission numbers of exports: only the registrar gives them, everyone keeps them."""

from pathlib import Path

from federation.adapters.memory import MemoryStore
from federation.model.names import MemberName, ServiceKey
from federation.model.record import Export, Numbers, Port
from federation.reconcile.numbers import ExportNumbers
from tests.worlds.controller import EU, HEAD, World
from tests.worlds.objects import export, service

WEB, WIKI = ServiceKey("shop", "web"), ServiceKey("shop", "wiki")
EAST = MemberName("us-east")


def theirs() -> Export:
    return Export(service=WEB, ports=(Port("http", 80, "TCP", "http"),))


def test_the_registrar_numbers_exports_as_they_come() -> None:
    store = MemoryStore()
    numbers = ExportNumbers(EAST, store)
    assert numbers.give(WEB, [EAST])
    assert numbers.give(WIKI, [EU])
    assert numbers.give(WEB, [EAST, EU])
    assert not numbers.give(WEB, [EU, EAST])
    assert (numbers.of(WEB), numbers.of(WIKI)) == ({EAST: 1, EU: 3}, {EU: 2})
    again = ExportNumbers(EAST, store)
    assert again.of(WEB) == {EAST: 1, EU: 3}


def test_an_export_that_comes_back_is_the_youngest() -> None:
    numbers = ExportNumbers(EAST, MemoryStore())
    numbers.give(WEB, [EAST, EU])
    numbers.give(WEB, [EU])
    numbers.give(WEB, [EU, EAST])
    assert numbers.of(WEB) == {EU: 2, EAST: 3}


def test_a_number_is_never_given_twice_over_a_restart_or_a_move_of_the_registrar() -> None:
    store = MemoryStore()
    ExportNumbers(EAST, store).give(WEB, [EAST])
    numbers = ExportNumbers(EAST, store)
    numbers.give(WEB, [])
    numbers.learn([WIKI], {f"number/{WIKI}": Numbers(WIKI, {EU: 41})})
    numbers.give(WEB, [EAST])
    assert numbers.of(WEB) == {EAST: 42}


def test_our_record_numbers_exports_while_we_are_the_registrar(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.peer_says(theirs())
    assert world.numbers() == {"shop/web": {EU: 1}}
    world.cluster.put(service())
    world.cluster.put(export())
    assert world.numbers() == {"shop/web": {EU: 1, EAST: 2}}
    world.peer_says()
    assert world.numbers() == {"shop/web": {EAST: 2}}


def test_a_member_follows_the_registrars_numbers_and_no_one_elses(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.peer_says(theirs(), Numbers(WEB, {EAST: 7, EU: 3}))
    assert world.numbers() == {"shop/web": {EU: 1}}
    world.registrar(EU)
    world.peer_says(theirs(), Numbers(WEB, {EAST: 7, EU: 3}))
    assert world.numbers() == {}
    assert world.loop.numbers.of(WEB) == {EAST: 7, EU: 3}


def test_numbers_stand_while_the_registrar_is_away_and_when_it_moves(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.registrar(EU)
    world.peer_says(theirs(), Numbers(WEB, {EU: 3}))
    world.step()
    world.loop = world.start()
    world.step()
    assert world.loop.numbers.of(WEB) == {EU: 3}
    world.registrar(EAST)
    assert world.numbers() == {"shop/web": {EU: 3}}


def test_who_waits_for_a_number_displaces_nobody(tmp_path: Path) -> None:
    """us-east was admitted before eu-central, but exported later; the registrar is away."""
    world = World(tmp_path)
    world.registrar(MemberName("ap-south"))
    world.peer_says(Export(service=WEB, kind="Headless", ports=theirs().ports))
    world.step()
    world.local("10.1.1.11")
    world.step()
    plan = world.loop.desired.plans[WEB]
    assert plan.exporters == (EU, EAST)
    world.loop = world.start()
    world.step()
    assert world.loop.desired.plans[WEB].exporters == (EU, EAST)


def restart(world: World) -> list[str]:
    """A new life; the numbers that stand in the store after its first passes."""
    world.loop = world.start()
    world.step()
    world.step()
    return sorted(world.store.items("number/"))


def test_numbers_that_the_registrar_forgot_while_we_were_away_are_dropped(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.registrar(EU)
    world.peer_says(theirs(), Numbers(WEB, {EU: 3, EAST: 4}), Numbers(WIKI, {EAST: 5}))
    world.step()
    world.peers.view = {}
    world.peers.head = None
    assert restart(world) == ["number/shop/web", "number/shop/wiki"]
    world.peers.head = HEAD
    assert restart(world) == []


def test_the_number_of_an_export_that_stands_is_kept_without_the_registrar(tmp_path: Path) -> None:
    """As after a move of the registrar to one that has not said it yet."""
    world = World(tmp_path)
    world.registrar(EU)
    world.local("10.1.1.11")
    world.peer_says(theirs(), Numbers(WEB, {EU: 3, EAST: 4, MemberName("mars"): 5}))
    world.step()
    world.peers.view = {key: one for key, one in world.peers.view.items() if not isinstance(one, Numbers)}
    assert restart(world) == ["number/shop/web"]
    assert world.loop.numbers.of(WEB) == {EU: 3, EAST: 4}


def test_the_registrar_forgets_numbers_of_services_that_nobody_knows_any_more(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.peer_says(theirs())
    assert world.numbers() == {"shop/web": {EU: 1}}
    world.peers.view = {}
    assert restart(world) == []

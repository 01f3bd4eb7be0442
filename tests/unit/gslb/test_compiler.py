"""A table made from the one before is the table that is made from nothing; what did not move stays the same object."""

from random import Random
from typing import Literal

import pytest
from gslb.compiler import Compiler
from gslb.guides import NO_ATLAS, Atlas, Maps
from gslb.master import load_zone
from gslb.moved import Again, moved
from gslb.table import Table
from gslb.zone import NO_ZONES, Zone
from msgspec import Struct, structs

from federation.model.handout import Steered, Witness
from federation.model.names import MemberName, ServiceKey
from federation.model.record import Evidence
from tests.worlds.headless import SQL, headless, part, pod
from tests.worlds.public_names import NUMBERS, ZONE, handout, place, site, steered, target
from tests.worlds.routed_names import routed

SEEDS, STEPS = 8, 250
HOSTS = ("a.elsewhere.test", *(f"{name}.{ZONE}" for name in ("a", "b", "ns-us-east", "x.a", "own", "below.cut")))
FILE = f"""$ORIGIN {ZONE}.
$TTL 60
@ SOA ns.{ZONE}. hostmaster.{ZONE}. 1 7200 1800 86400 60
@ NS ns
ns A 192.0.2.1
own A 192.0.2.2
cut NS ns.elsewhere.test.
deep.er.names A 192.0.2.3
"""


def from_file() -> dict[str, Zone]:
    return {ZONE: load_zone(FILE, "zone")}


class World:
    """A handout that moves at random, with zone files and an atlas beside it."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.values: dict[str, Struct] = dict(handout("us-east"))
        self.files = NO_ZONES
        self.atlas = NO_ATLAS

    def step(self) -> None:
        """One thing is another."""
        moves = (self._name, self._name, self._name, self._tree, self._witness, self._place, self._imports, self._other)
        self.chance.choice(moves)()

    def _drop(self, key: str) -> bool:
        return self.values.pop(key, None) is not None and self.chance.random() < 0.6

    def _name(self) -> None:
        host, service = self.chance.choice(HOSTS), self.chance.choice(("web", "api"))
        key = f"steered/{host}/shop/{service}"
        if not self._drop(key):
            item = steered(host, *map(target, self.chance.sample(list(NUMBERS), 2)))
            self.values[key] = structs.replace(
                item, name=structs.replace(item.name, service=ServiceKey("shop", service), ttl=self.chance.randrange(9))
            )

    def _tree(self) -> None:
        item = self.chance.choice(routed())
        key = f"steered/{item.name.host}/shop/web"
        if not self._drop(key):
            self.values[key] = item

    def _witness(self) -> None:
        kind: Literal["target", "link"] = self.chance.choice(("target", "link"))
        observer, about = (MemberName(self.chance.choice(list(NUMBERS))) for _ in range(2))
        host = self.chance.choice(HOSTS) if kind == "target" else ""
        key = f"witness/{observer}/{kind}/{about}/{host}"
        if not self._drop(key):
            self.values[key] = Witness(
                observer, Evidence(kind=kind, about=about, host=host, since=self.chance.randrange(9))
            )

    def _place(self) -> None:
        member = self.chance.choice(list(NUMBERS))
        zones = self.chance.choice(((ZONE,), (ZONE, "elsewhere.test"), (f"a.{ZONE}",), ()))
        costs = {MemberName(other): self.chance.choice((7, 70)) for other in NUMBERS if other != member}
        self.values[f"place/{member}"] = place(member, zones=zones, costs=costs)

    def _imports(self) -> None:
        for key in [key for key in self.values if key.startswith(("headless/", "import/"))]:
            del self.values[key]
        if self.chance.random() < 0.7:
            slices = [part(member, pod(f"10.0.0.{self.chance.randrange(9)}"), ports=(SQL,)) for member in NUMBERS]
            self.values |= {key: value for key, value in headless(*slices).items() if key != "site"}

    def _other(self) -> None:
        what = self.chance.randrange(3)
        if what == 0:
            self.files = NO_ZONES if self.files else from_file()
        elif what == 1:
            self.atlas = NO_ATLAS if self.atlas is not NO_ATLAS else Atlas()
        else:
            self.values["site"] = site(self.chance.choice(("us-east", "us-west")))


def test_a_table_from_the_one_before_is_that_from_nothing() -> None:
    served: set[str] = set()
    lines: set[str] = set()
    for seed in range(SEEDS):
        world, one = World(Random(seed)), Compiler()
        for serial in range(STEPS):
            for _ in range(world.chance.randint(1, 3)):
                world.step()
            one.draw(world.atlas)
            table = one.compile(world.values, serial, world.files)
            made = Compiler(atlas=world.atlas).compile(dict(world.values), serial, world.files)
            assert structs.replace(table, maps=made.maps) == made, (seed, serial)
            assert all(looked_at(one) == one.maps for one in (table, made)), (seed, serial)
            served |= table.steered.keys()
            lines |= set(table.problems)
    assert {f"a.{ZONE}", f"x.a.{ZONE}", "a.elsewhere.test", f"nets.{ZONE}"} <= served
    taken = ("is the name of a DNS server", "leads elsewhere", "has addresses of its own")
    assert all(any(part in line for line in lines) for part in taken)


def looked_at(table: Table) -> Maps:
    return {id(one): one for guides in table.guides.values() for guide in guides.guides for one in guide.maps}


def test_what_did_not_move_is_the_same_object() -> None:
    values = handout("us-east")
    compiler = Compiler()
    first, again = compiler.compile(values, 1), compiler.compile(dict(values), 2)
    assert again.serial == 2 and again.zones[ZONE].soa[3].split()[2] == "2"
    for field in ("steered", "headless", "places", "guides", "witnesses", "subnets", "ways"):
        assert getattr(first, field) is getattr(again, field), field
    fresh = steered(f"new.{ZONE}", target("us-east"))
    more = compiler.compile({**values, f"steered/new.{ZONE}/shop/web": fresh}, 3)
    assert moved(again.steered, more.steered) == {f"new.{ZONE}"}
    assert first.zones[ZONE].inner is again.zones[ZONE].inner and f"new.{ZONE}" in more.zones[ZONE].inner


def test_after_a_handout_that_cannot_be_read_the_next_is_whole() -> None:
    values = handout("us-east")
    compiler = Compiler()
    compiler.compile(values, 1)
    fresh = {**values, f"steered/new.{ZONE}/shop/web": steered(f"new.{ZONE}", target("us-east"))}
    with pytest.raises(ValueError, match="nowhere"):
        compiler.compile({**fresh, "place/us-west": place("us-west", nameservers=("nowhere",))}, 2)
    assert compiler.compile(fresh, 3) == Compiler().compile(fresh, 3)


def test_a_name_that_two_services_want_is_that_of_the_first_key() -> None:
    def named(service: str) -> Steered:
        item = steered(f"both.{ZONE}", target("us-east"))
        return structs.replace(item, name=structs.replace(item.name, service=ServiceKey("shop", service)))

    one, two = named("api"), named("web")
    keys = [f"steered/both.{ZONE}/shop/{service}" for service in ("web", "api")]
    compiler, values = Compiler(), {"site": site(), "place/us-east": place("us-east")}

    def chosen(*items: tuple[str, Steered]) -> Steered | None:
        return compiler.compile({**values, **dict(items)}, 1).steered.get(f"both.{ZONE}")

    assert chosen((keys[0], two)) is two
    assert chosen((keys[0], two), (keys[1], one)) is one
    assert chosen((keys[1], one)) is one
    assert chosen() is None


MOVED: dict[str, tuple[dict[str, object], dict[str, object], set[str]]] = {
    "nothing": ({"a": 1, "b": 2}, {"a": 1, "b": 2}, set()),
    "equal though another object": ({"a": (1, "x" * 3)}, {"a": (1, "x" * 3)}, set()),
    "another value": ({"a": 1, "b": 2}, {"a": 1, "b": 3}, {"b"}),
    "one that came, behind": ({"a": 1}, {"a": 1, "b": 2}, {"b"}),
    "one that came, before": ({"a": 1}, {"b": 2, "a": 1}, {"b"}),
    "one that went": ({"a": 1, "b": 2}, {"b": 2}, {"a"}),
    "another order": ({"a": 1, "b": 2}, {"b": 2, "a": 1}, set()),
    "one for another": ({"a": 1, "b": 2}, {"b": 2, "c": 3}, {"a", "c"}),
    "from nothing": ({}, {"a": 1}, {"a"}),
    "to nothing": ({"a": 1}, {}, {"a"}),
}


@pytest.mark.parametrize("case", MOVED)
def test_what_moved(case: str) -> None:
    before, now, found = MOVED[case]
    assert moved(before, now) == found
    assert moved(now, before) == found
    assert moved(before, before) == set()


def test_work_is_done_again_only_for_other_objects() -> None:
    calls: list[dict[str, int]] = []

    def make(given: dict[str, int]) -> list[int]:
        calls.append(given)
        return list(given.values())

    again, first = Again(make), {"a": 1}
    assert again(first) is again(first)
    assert again({"a": 1}) == [1] and len(calls) == 2

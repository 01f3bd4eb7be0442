"""The packet path says what the Python responder says, byte for byte, but for the order of an RRset's records."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import dns.message
import dns.rdataset
import dns.rdatatype
import pytest
from gslb.compiled import Change, WireMap, WireRRset, change_of
from gslb.compiler import Compiler
from gslb.guides import NO_ATLAS
from gslb.locality import parse_lines
from gslb.ranges import NONE
from gslb.steer import Steering
from gslb.table import Table
from msgspec import structs

from federation.model.names import MemberName
from tests.unit.gslb.test_compiler import World
from tests.unit.gslb.test_lookup import ANSWERS
from tests.worlds.busy_server import COOKIES, ITSELF, SECRETS, SUBNETS, busy, names_of
from tests.worlds.datagrams import ADDRESSES, Grammar
from tests.worlds.public_names import NUMBERS, handout, place
from tests.worlds.routed_names import atlas, lost, routed

pytest.importorskip("gslb_packet", reason="the package of dns/packet is not installed: it needs cargo and its registry")
from tests.worlds.both_paths import BothPaths

CLIENT = "198.18.3.9"
PER_MILLISECOND = 4
DATAGRAMS = int(os.environ.get("ISTHMUS_DATAGRAMS", "60000"))
"""More of them: ISTHMUS_DATAGRAMS=3000000; others: ISTHMUS_SEED=2."""

SEED = int(os.environ.get("ISTHMUS_SEED", "1"))


@pytest.fixture(autouse=True)
def in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """dnspython draws the order of an RRset's records: here they stay as they are."""
    monkeypatch.setattr(dns.rdataset, "random", SimpleNamespace(shuffle=lambda records: None))


def query(name: str, kind: int) -> bytes:
    return dns.message.make_query(name, kind, use_edns=0, id=7).to_wire()  # type: ignore[arg-type]


def differences(both: BothPaths, seed: int, count: int) -> Iterator[str]:
    grammar = Grammar(names_of(both.steering), COOKIES, seed)
    drawn = (both.differs(*grammar.draw(), number // PER_MILLISECOND) for number in range(count))
    return filter(None, drawn)


@pytest.mark.parametrize("asked", ANSWERS, ids=" ".join)
def test_answers_to_the_letter(asked: tuple[str, str]) -> None:
    both = BothPaths(busy(), ITSELF)
    assert both.differs(query(asked[0], dns.rdatatype.from_text(asked[1])), CLIENT, 0) == ""
    assert not both.said["handed"]


def test_datagrams_of_every_kind() -> None:
    both = BothPaths(busy(), ITSELF)
    assert list(differences(both, SEED, DATAGRAMS)) == []
    assert both.said["handed"] < DATAGRAMS * 0.4
    for reached in ("code 0", "code 1", "code 3", "code 4", "code 5", "code 6", "code 0 cut", "silent"):
        assert both.said[reached], f"no datagram came to {reached}"


@pytest.mark.parametrize(("name", "kind"), [("some", "MX"), ("mid", "TXT"), ("x.few", "A"), ("many", "A")])
def test_what_has_no_room_is_left_out_at_the_same_byte(name: str, kind: str) -> None:
    both, sizes = BothPaths(busy(), ITSELF), set()
    for payload in range(500, 1_240):
        asked = dns.message.make_query(f"{name}.rich.test", kind, use_edns=0, payload=payload, id=7).to_wire()
        assert both.differs(asked, CLIENT, 0) == ""
        sizes.add(len(both.of_rust(asked, CLIENT, 0) or b""))
    assert len(sizes) > 1 and not both.said["handed"]


def test_before_the_first_handout_nothing_is_said_not_to_exist() -> None:
    files = busy().table
    both = BothPaths(Steering(structs.replace(files, steered={}, headless={}, known=False), {}), ITSELF)
    assert list(differences(both, 3, 3_000)) == []
    assert both.said["handed"] and not both.said["code 2"] + both.said["code 3"]


def without_inner(change: Change) -> Change:
    """Empty non-terminals are forgotten."""
    zones = [structs.replace(zone, nodes=[one for one in zone.nodes if one[1] and one[1][3]]) for zone in change.zones]
    return structs.replace(change, zones=zones)


def other_ttl(change: Change) -> Change:
    """One RRset of some 300 lives a second longer."""
    zones = list(change.zones)
    at = next(at for at, zone in enumerate(zones) if zone.apex == b"\4rich\4test\0")
    nodes = [(name, node and (*node[:3], [_older(one, name) for one in node[3]])) for name, node in zones[at].nodes]
    zones[at] = structs.replace(zones[at], nodes=nodes)
    return structs.replace(change, zones=zones)


def _older(rrset: WireRRset, name: bytes) -> WireRRset:
    return (rrset[0], rrset[1] + (name.startswith(b"\5mail1")), rrset[2])


def uncompressed(change: Change) -> Change:
    """Names in the SOA of negative answers are written whole."""
    zones = [structs.replace(zone, soa=(*zone.soa[:2], [(zone.soa[2][0][0], [])])) for zone in change.zones]
    return structs.replace(change, zones=zones)


def elsewhere(change: Change) -> Change:
    """Clients over IPv4 stand nowhere."""
    maps: list[tuple[int, WireMap]] = []
    for number, ((starts, values, bits, v6, v6_values), shared) in change.maps:
        maps.append((number, ((starts, [NONE for _ in values], bits, v6, v6_values), shared)))
    return structs.replace(change, maps=maps)


@pytest.mark.parametrize("wrong", [without_inner, other_ttl, uncompressed, elsewhere])
def test_a_fault_is_found(wrong: Callable[[Change], Change]) -> None:
    both = BothPaths(busy(), ITSELF)
    assert list(differences(both, 2, 1_000)) == []
    both.fast.change(wrong(change_of(both.steering, None)))
    assert next(differences(both, 2, DATAGRAMS), None)


def test_cookies_of_other_secrets_are_found() -> None:
    both = BothPaths(busy(), ITSELF)
    both.fast.secrets(SECRETS[::-1])
    assert next(differences(both, 2, DATAGRAMS), None)


def changed(table: Table, seed: int) -> Table:
    """Another table: zones go and come, names lose their data, are delegated, get other names beside them."""
    rng = random.Random(seed)
    zones = {apex: zone for apex, zone in table.zones.items() if rng.random() < 0.8}
    for apex, zone in zones.items():
        names = {name: data for name, data in zone.names.items() if name == apex or rng.random() < 0.7}
        many = 300 if seed % 10 == 0 and apex == "zone.test" else 1
        fresh = {f"fresh{seed + at}.{apex}": next(iter(zone.names.values())) for at in range(many)}
        inner = frozenset(name for name in zone.inner if rng.random() < 0.9)
        leading = {"cuts": zone.cuts & names.keys(), "dnames": zone.dnames & names.keys()}
        zones[apex] = structs.replace(zone, names=names | fresh, inner=inner, **leading)
    steered = {host: item for host, item in table.steered.items() if rng.random() < 0.6}
    return structs.replace(table, zones=zones, steered=steered, headless={} if rng.random() < 0.5 else table.headless)


def test_what_changed_makes_the_table_that_all_of_it_makes() -> None:
    whole = busy()
    both = BothPaths(whole, ITSELF)
    for seed in range(30):
        assert list(differences(both, seed, 300)) == []
        before = both.steering
        table = whole.table if seed % 5 == 4 else changed(before.table if seed % 2 else whole.table, seed)
        both.put(Steering(table, {}).after(before), before)
    assert both.said["code 0"] > 1_000


def next_table(world: World, compiler: Compiler, serial: int) -> Table:
    """Names, trees, members, imports, files and the atlas come and go."""
    world.step()
    member, away = world.chance.sample(list(NUMBERS), 2)
    if world.chance.random() < 0.1:
        world.values[f"place/{member}"] = place(member, costs={away: world.chance.randrange(200)})
    compiler.draw(world.chance.choice((NO_ATLAS, atlas(), atlas())))
    return compiler.compile(dict(world.values), serial, world.files)


def asked_from_everywhere(both: BothPaths, rng: random.Random) -> list[str]:
    """How the answers differ that clients of every place get for some steered name."""
    hosts = list(both.steering.table.steered)
    drawn = [both.differs(query(rng.choice(hosts), 1), address, 0) for address in ADDRESSES if hosts]
    return list(filter(None, drawn))


def test_handouts_that_move_leave_both_paths_alike_and_keep_what_is_true() -> None:
    said: Counter[str] = Counter()
    for seed in range(3):
        world, compiler = World(random.Random(seed)), Compiler(parse_lines(SUBNETS, "map"))
        world.values |= {f"steered/{one.name.host}/shop/web": one for one in routed()}
        both = BothPaths(Steering(compiler.compile(world.values, 0), {}), ITSELF)
        for serial in range(1, 100):
            before, table = both.steering, next_table(world, compiler, serial)
            both.put(Steering(table, world.chance.choice(({}, lost(since=0)))).after(before), before)
            fresh = both.steering.fresh()
            for host, kept in both.steering._kept.items():
                assert all(fresh.outcome(host, kind, stand, 0) == one for (stand, kind), one in kept.items()), host
            assert [*asked_from_everywhere(both, world.chance), *differences(both, serial, 15)] == []
        said += both.said
    assert said["code 0"] > 3_000 and said["code 3"] > 500


def test_what_did_not_change_is_not_told() -> None:
    one = busy()
    before = Steering(one.table, {})
    after = Steering(structs.replace(one.table, serial=8), {})
    told = change_of(after, before)
    assert not (told.zones or told.gone or told.steered or told.maps)


def test_outcomes_outlive_a_change_that_is_not_theirs() -> None:
    both = BothPaths(busy(), ITSELF)
    asked = query("shop.example.test", 1)
    assert both.of_rust(asked, CLIENT, 0)
    before = both.steering
    table = structs.replace(
        before.table, steered={**before.table.steered, "pay.example.test": before.table.steered["six.example.test"]}
    )
    both.put(Steering(table, before._evidence).after(before), before)
    assert isinstance(both.fast.respond(asked, CLIENT, 0), bytes)
    assert isinstance(both.fast.respond(query("pay.example.test", 1), CLIENT, 0), tuple)


def test_other_costs_tell_no_name_and_leave_no_outcome() -> None:
    values, compiler = handout("us-east"), Compiler()
    before = Steering(compiler.compile(values, 1), {})
    both = BothPaths(before, ITSELF)
    asked = query("shop.example.test", 1)
    assert both.of_rust(asked, CLIENT, 0)
    far = place("us-east", costs={MemberName("us-west"): 7})
    after = Steering(compiler.compile({**values, "place/us-east": far}, 2), {}).after(before)
    assert after.table.steered is before.table.steered and after.table.guides is before.table.guides
    told = change_of(after, before)
    assert told.elsewhere and not (told.steered or told.maps or told.unmapped)
    both.put(after, before)
    assert isinstance(both.fast.respond(asked, CLIENT, 0), tuple)
    assert both.differs(asked, CLIENT, 0) == ""
    assert isinstance(both.fast.respond(asked, CLIENT, 0), bytes)

"""What is probed follows the table, at the cost of what is another in it."""

from collections.abc import Mapping

import pytest
from gslb import probed
from gslb.bounds import Bounds
from gslb.checks import Asked, Check, checks_of
from gslb.compiler import Compiler
from gslb.probed import REASONS_MAX, Probed
from gslb.zone import AAAA, A
from msgspec import Struct, structs

from federation.model.cidr import network_of
from federation.model.handout import Steered
from federation.model.policy import Policy, Probe
from tests.worlds.public_names import PAY, SHOP, handout, steered, table, target, v4

OPEN = Bounds()


def key_of(host: str) -> str:
    return f"steered/{host}/shop/web"


def with_ttl(values: Mapping[str, Struct], host: str, ttl: int) -> dict[str, Struct]:
    """The same handout, but for one name's TTL."""
    item = values[key_of(host)]
    assert isinstance(item, Steered)
    return {**values, key_of(host): structs.replace(item, name=structs.replace(item.name, ttl=ttl))}


def looked_at(patch: pytest.MonkeyPatch) -> list[str]:
    """The names whose targets are looked at from now on."""
    seen: list[str] = []

    def noted(item: Steered) -> Mapping[Check, Asked]:
        seen.append(item.name.host)
        return checks_of(item)

    patch.setattr(probed, "checks_of", noted)
    return seen


def test_the_first_table_is_all_new() -> None:
    seen, one = table(handout()), Probed(OPEN)
    hosts, changes = one.turn(seen, ())
    assert hosts == {SHOP, PAY}
    assert one.names == {host: checks_of(item) for host, item in seen.steered.items()}
    assert changes.keys() == {check for checks in one.names.values() for check in checks}


def test_of_another_table_only_the_names_that_are_others_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    compiler, one, values = Compiler(), Probed(OPEN), handout()
    one.turn(compiler.compile(values, 1), ())
    before, seen = one.names[PAY], looked_at(monkeypatch)
    hosts, changes = one.turn(compiler.compile(with_ttl(values, SHOP, 9), 2), ())
    assert hosts == {SHOP} == {check.host for check in changes}
    assert seen == [SHOP] and one.names[PAY] is before


def test_a_name_that_goes_is_probed_no_more_and_one_that_comes_is() -> None:
    one, both = Probed(OPEN), handout()
    one.turn(table(both), ())
    shop = set(one.names[SHOP])
    less = {key: value for key, value in both.items() if key != key_of(SHOP)}
    assert one.turn(table(less), ()) == ({SHOP}, dict.fromkeys(shop))
    assert one.names.keys() == {PAY}
    assert one.turn(table(both), ())[1].keys() == shop


def test_a_target_at_another_address_is_told() -> None:
    one, first, second = Probed(OPEN), target("us-east"), target("us-west")
    one.turn(table(handout("us-east", steered(SHOP, first, second))), ())
    moved = structs.replace(second, addresses=("203.0.113.99",))
    _, changes = one.turn(table(handout("us-east", steered(SHOP, first, moved))), ())
    told = {check.member: wanted.parts[0].address for check, wanted in changes.items() if wanted and check.kind == A}
    assert told == {"us-east": v4("us-east"), "us-west": "203.0.113.99"}
    assert [check.kind for check, wanted in changes.items() if wanted is None] == [AAAA]


def test_our_own_ranges_are_looked_at_anew_when_they_are_others() -> None:
    one, seen = Probed(OPEN), table(handout("us-east", steered(SHOP, target("us-west", addresses=(v4("us-west"),)))))
    assert len(one.turn(seen, ())[1]) == 1
    assert list(one.turn(seen, (network_of("203.0.113.0/24"),))[1].values()) == [None]
    assert len(one.names) == 0 and len(one.refused) == 1
    assert len(one.turn(seen, ())[1]) == 1 and len(one.refused) == 0


def test_names_of_one_target_share_its_connection_but_not_its_requests() -> None:
    for probe, count in ((Probe(port=8_080), 2), (Probe(kind="icmp"), 2), (Probe(path="/"), 6)):
        names = [steered(f"n{n}.example.test", target("us-west"), policy=Policy(probe=probe)) for n in range(3)]
        _, changes = Probed(OPEN).turn(table(handout("us-east", *names)), ())
        assert len({wanted.parts[0] for wanted in changes.values() if wanted}) == count


def test_of_very_many_reasons_the_first_are_told() -> None:
    policy = Policy(probe=Probe(port=22))
    names = [
        steered(f"n{n}.example.test", target("us-west", addresses=(f"203.0.113.{n}",)), policy=policy)
        for n in range(1, REASONS_MAX + 6)
    ]
    one = Probed(OPEN)
    one.turn(table(handout("us-east", *names)), ())
    assert len(one.refused) == REASONS_MAX + 1 and one.refused[-1] == "5 more targets are not probed"
    one.turn(table(handout("us-east", names[0])), ())
    assert len(one.refused) == 1


def test_targets_that_are_not_probed_for_one_reason_are_one_line() -> None:
    policy = Policy(probe=Probe(port=22))
    names = [
        steered(f"n{n}.example.test", target("us-west", addresses=("203.0.113.7",)), policy=policy) for n in range(3)
    ]
    one = Probed(OPEN)
    one.turn(table(handout("us-east", *names)), ())
    said = "target 203.0.113.7 of us-west is not probed: port 22 is not among 80, 443, 1024-65535 (--probe-ports)"
    assert one.refused == (f'name "n0.example.test" and 2 more: {said}',)
    one.turn(table(handout("us-east", names[1])), ())
    assert one.refused == (f'name "n1.example.test": {said}',)

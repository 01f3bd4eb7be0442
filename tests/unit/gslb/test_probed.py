"""What is probed follows the table, at the cost of what is another in it."""

import asyncio
from collections.abc import Mapping

import pytest
from gslb import probed
from gslb.bounds import Bounds
from gslb.checks import Asked, Check, asked_of, checks_of
from gslb.probe import Watch
from gslb.probed import Probed
from gslb.table import Compiler
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
        return asked_of(item)

    patch.setattr(probed, "asked_of", noted)
    return seen


def test_the_first_table_is_all_new_and_its_checks_are_in_order() -> None:
    seen, one = table(handout()), Probed(OPEN)
    changes = one.turn(seen, ())
    assert tuple(sorted(changes)) == one.checks == tuple(checks_of(seen))
    assert all(one.of(check) == wanted for check, wanted in changes.items())


def test_of_another_table_only_the_names_that_are_others_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    compiler, one, values = Compiler(), Probed(OPEN), handout()
    one.turn(compiler.compile(values, 1), ())
    before, seen = one.checks, looked_at(monkeypatch)
    assert one.turn(compiler.compile(with_ttl(values, SHOP, 9), 2), ()) == {}
    assert seen == [SHOP] and one.checks is before


def test_a_name_that_goes_is_probed_no_more_and_one_that_comes_is() -> None:
    one, both = Probed(OPEN), handout()
    one.turn(table(both), ())
    shop = {check for check in one.checks if check.host == SHOP}
    less = {key: value for key, value in both.items() if key != key_of(SHOP)}
    assert one.turn(table(less), ()) == dict.fromkeys(shop)
    assert {check.host for check in one.checks} == {PAY} and all(one.of(check) is None for check in shop)
    assert one.turn(table(both), ()).keys() == shop
    assert one.checks == tuple(checks_of(table(both)))


def test_a_target_that_is_probed_otherwise_is_told_and_the_others_are_not() -> None:
    one, first, second = Probed(OPEN), target("us-east"), target("us-west")
    one.turn(table(handout("us-east", steered(SHOP, first, second))), ())
    moved = structs.replace(second, addresses=("203.0.113.99",))
    changes = one.turn(table(handout("us-east", steered(SHOP, first, moved))), ())
    (told,) = [wanted for wanted in changes.values() if wanted is not None]
    assert told.parts[0].address == "203.0.113.99"
    assert {check.member for check in changes} == {"us-west"}


def test_our_own_ranges_are_looked_at_anew_when_they_are_others() -> None:
    one, seen = Probed(OPEN), table(handout("us-east", steered(SHOP, target("us-west", addresses=(v4("us-west"),)))))
    assert len(one.turn(seen, ())) == 1
    assert list(one.turn(seen, (network_of("203.0.113.0/24"),)).values()) == [None]
    assert len(one.checks) == 0 and len(one.refused) == 1
    assert len(one.turn(seen, ())) == 1 and len(one.refused) == 0


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


def test_where_nothing_moved_what_was_said_stays_the_same_object() -> None:
    seen, watch = (
        table(handout("us-east", steered(SHOP, target("us-west"), policy=Policy(probe=Probe(port=22))))),
        Watch(),
    )

    async def looked() -> None:
        watch.want(seen)
        watch.judge(seen, 1_000)
        findings, reports = watch.findings, watch.reports
        assert not watch.judge(seen, 2_000)
        assert watch.findings is findings and watch.reports is reports
        watch.judge(seen, 3_000, words=False)
        assert watch.findings is not findings and watch.reports is not reports
        await watch.stop()

    asyncio.run(looked())

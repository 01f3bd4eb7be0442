"""What many public names say alike is one object, and says the same as before."""

import pytest

from federation.model.handout import Steered
from federation.wire import shared
from federation.wire.handout import HANDOUT
from federation.wire.keyed import encode
from federation.wire.shared import Shared
from tests.worlds.public_names import NUMBERS, ZONE, site, steered, target


def fresh(host: str, member: str, held: Shared) -> Steered:
    """As it comes over the wire and is held."""
    item = steered(host, target(member))
    read = HANDOUT.decode(f"steered/{host}/x", encode(item))
    assert isinstance(read, Steered)
    found = held.of(read)
    assert found == read == item and isinstance(found, Steered)
    return found


def test_names_with_the_same_targets_have_them_as_one_object() -> None:
    held = Shared()
    a, b = fresh(f"a.{ZONE}", "us-east", held), fresh(f"b.{ZONE}", "us-east", held)
    c = fresh(f"c.{ZONE}", "us-west", held)
    assert a.targets is b.targets and a.targets is not c.targets
    assert a.name.policy is b.name.policy is c.name.policy
    assert held.of(here := site()) is here


def test_what_is_remembered_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "MOST", 8)
    held = Shared()
    for number, member in enumerate([*NUMBERS] * 9):
        fresh(f"a{number}.{ZONE}", member, held)
        assert len(held._held) <= 10

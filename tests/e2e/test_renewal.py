"""An agent that was away for longer than its certificate lives comes back by one command."""

from pathlib import Path

import msgspec
import pytest

from federation.link.enrolled import load_enrolled, save_enrolled
from federation.link.leaf import load_leaf, save_leaf
from tests.worlds.public_cli import Site, running


@pytest.fixture
def site(tmp_path: Path) -> object:
    with running(tmp_path) as made:
        yield made


def test_a_certificate_that_ran_out_is_replaced_by_hand(site: Site) -> None:
    state, out = str(site.folder("us-east").path), site.path / "node"
    where = ("--controller", site.listen, "--out", str(out))
    site.cli("enroll", "--state", state, "--name", "node1", "--role", "node", *where)
    first = load_leaf(out / "leaf.json")
    assert first is not None
    save_leaf(out / "leaf.json", msgspec.structs.replace(first, not_after=first.not_before + 1))
    enrolled = load_enrolled(out)
    save_enrolled(out, msgspec.structs.replace(enrolled, anchor="one that is trusted no more"))
    site.cli("renew", "--state", state, "--out", str(out))
    assert load_enrolled(out) == enrolled
    second = load_leaf(out / "leaf.json")
    assert second is not None
    assert (second.id, second.key != first.key) == (first.id, True)
    assert second.not_after >= first.not_after


def test_only_who_is_enrolled_is_renewed(site: Site) -> None:
    state, out = str(site.folder("us-east").path), site.path / "node"
    where = ("--controller", site.listen, "--out", str(out))
    site.cli("enroll", "--state", state, "--name", "node1", "--role", "node", *where)
    (site.folder("us-east").agents / "node1.json").unlink()
    with pytest.raises(AssertionError, match=r'E102 --out "[^"]*": agent "node1" is not enrolled in '):
        site.cli("renew", "--state", state, "--out", str(out))

"""Sets of an nft table on a real kernel: what they hold moves alone, and is told whatever the order."""

from collections.abc import Iterator

import pytest

from federation.model.errors import Unavailable
from gateways.kernel.nft import LinuxFilter
from gateways.render.nft import Chain, Map, Set, Table
from tests.netns.spaces import Space

pytestmark = pytest.mark.netns

CHAIN = Chain(name="forward", kind="filter", hook="forward", rules=(({"accept": None},),))
A, B, C = (("10.1.3.7", "tcp", 8080), ("10.1.3.8", "udp", 53), ("10.1.3.9", "sctp", 5060))


@pytest.fixture
def space() -> Iterator[Space]:
    made = Space("sets")
    try:
        yield made
    finally:
        made.remove()


def table(*elements: tuple[str, str, int]) -> Table:
    return Table("isthmus_node", (CHAIN,), (Set("open_ip_0", "ip", elements), Set("open_ip6_0", "ip6")))


def test_elements_come_and_go_and_the_rest_stays(space: Space) -> None:
    with space.entered():
        port = LinuxFilter()
        port.apply(table(A, B))
        before = port.read("isthmus_node")
        handle = space.run("nft", "-a", "list", "chain", "inet", "isthmus_node", "forward")
        port.apply(table(B, C), table(A, B))
        held = space.run("nft", "list", "set", "inet", "isthmus_node", "open_ip_0")
        assert "10.1.3.9 . sctp . 5060" in held and "10.1.3.8" in held and "10.1.3.7" not in held
        assert space.run("nft", "-a", "list", "chain", "inet", "isthmus_node", "forward") == handle
        after = port.read("isthmus_node")
        assert after != before
        assert LinuxFilter().read("isthmus_node") == after
        port.apply(table(C, B))
        assert port.read("isthmus_node") == after


def test_a_map_moves_by_its_elements_as_well(space: Space) -> None:
    def mapped(*elements: tuple[str, str]) -> Table:
        return Table("isthmus_node", (CHAIN,), (Map("egress_ip6", "ip6", elements),))

    here, there, other = (("fd00::7", "fd00:e::1"), ("fd00::7", "fd00:e::2"), ("fd00::8", "fd00:e::1"))
    with space.entered():
        port = LinuxFilter()
        port.apply(mapped(here, other))
        before = port.read("isthmus_node")
        port.apply(mapped(other, there), mapped(here, other))
        held = space.run("nft", "list", "map", "inet", "isthmus_node", "egress_ip6")
        assert "fd00::7 : fd00:e::2" in held and "fd00::8 : fd00:e::1" in held
        after = port.read("isthmus_node")
        assert after != before and LinuxFilter().read("isthmus_node") == after


def test_a_set_that_was_flushed_is_seen_by_who_looks_at_it_whole(space: Space) -> None:
    with space.entered():
        port = LinuxFilter()
        port.apply(table(A))
        before = port.read("isthmus_node")
        space.run("nft", "flush", "set", "inet", "isthmus_node", "open_ip_0")
        assert port.read("isthmus_node") == before
        assert LinuxFilter().read("isthmus_node") != before
        with pytest.raises(Unavailable):
            port.apply(table(B), table(A))
        assert port.read("isthmus_node") != before
        space.run("nft", "delete", "table", "inet", "isthmus_node")
        assert port.read("isthmus_node") is None

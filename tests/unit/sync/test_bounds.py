"""What is too large or too new for a reader: refused alone, its last good kept; what is only unknown is passed over."""

import msgspec
import pytest
from msgspec import Struct

from federation.model.errors import Refused
from federation.model.record import SLICE_ENDPOINTS_MAX, About
from federation.session.tree import tree_of
from federation.sync.held import HeldRecord
from federation.sync.rules import RESOURCE_BYTES_MAX
from federation.wire.keyed import encode
from tests.worlds.acme import Acme, content
from tests.worlds.reader import GOOD, Reader, slice_of


@pytest.fixture
def reader() -> Reader:
    return Reader()


class Newer(Struct, frozen=True):
    """A resource as a later version might write it."""

    member: str
    region: str
    version: str
    tier: int
    must: tuple[str, ...] = ()


def test_a_field_of_a_later_version_is_kept_as_it_came_and_passed_over(reader: Reader) -> None:
    tree = content(*GOOD).put("about", encode(Newer("eu-central", "eu-west", "9", 3)))
    reader.take_tree(tree.put("halo/x", b"of a kind that we do not know"))
    assert reader.held.view["about"] == About("eu-central", "eu-west", "9")  # type: ignore[arg-type]
    assert reader.held.refusals == {}
    assert reader.held.tree.get("halo/x") == b"of a kind that we do not know"


def test_a_field_that_must_be_understood_and_is_not_leaves_the_last_good(reader: Reader) -> None:
    reader.take_tree(content(*GOOD).put("about", encode(Newer("eu-central", "eu-west", "9", 3, ("region", "tier")))))
    assert reader.held.view["about"] == GOOD[0]
    assert [str(error) for error in reader.held.refusals.values()] == [
        'E124 resource "about" must not be read without its field "tier", which is newer than we are; '
        "last good kept, upgrade this end"
    ]


def test_one_resource_beyond_its_size_is_refused_alone(reader: Reader) -> None:
    tree = content(*GOOD).put("about", encode(About("eu-central", "eu-central", "1" * RESOURCE_BYTES_MAX)))  # type: ignore[arg-type]
    reader.take_tree(tree)
    assert [str(error) for error in reader.held.refusals.values()] == [
        f'E117 resource "about" of member "eu-central" is {RESOURCE_BYTES_MAX + 67} bytes, limit {RESOURCE_BYTES_MAX}; '
        "last good kept"
    ]
    assert reader.held.view["about"] == GOOD[0]


def test_a_slice_of_too_many_endpoints_is_refused(reader: Reader) -> None:
    wide = slice_of(*(f"10.2.{n >> 8}.{n & 255}" for n in range(SLICE_ENDPOINTS_MAX + 1)))
    assert reader.refusal(wide) == (
        "E118 slice of shop/web of member eu-central: 10001 endpoints in one slice > 10000; last good kept"
    )


def test_the_bytes_of_a_record_are_bounded_and_given_back() -> None:
    acme = Acme()
    member = acme.member("eu-central")
    member = msgspec.structs.replace(member, quota=msgspec.structs.replace(member.quota, bytes=1_400))
    held, writer = HeldRecord(member, acme.member("us-east")), acme.keys["eu-central"]
    small = tree_of({"halo/1": bytes(900)})
    held.take(writer.head(small, 1), small)
    large = small.put("halo/2", bytes(95))
    with pytest.raises(Refused) as caught:
        held.take(writer.head(large, 2), large)
    assert str(caught.value) == 'E118 member "eu-central": 1519 bytes > quota 1400; last good kept'
    other = tree_of({"halo/2": bytes(990)})
    held.take(writer.head(other, 3), other)
    assert held.tree.root == other.root

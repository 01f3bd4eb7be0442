"""What a reader refuses of a member: code and text to the letter, and what stays in force."""

import ssl
from collections.abc import Callable

import msgspec
import pytest

from federation.model.errors import Refused
from federation.model.names import ServiceKey
from federation.model.record import (
    Export,
    Leave,
    Port,
    Resource,
    Rotation,
    Seen,
    Signed,
    key_of,
)
from federation.session.tree import Tree, tree_of
from federation.sync.held import HeldRecord
from federation.trust.anchor import make_anchor
from federation.wire.keyed import encode
from tests.worlds.acme import NOW, Acme, Keys, content
from tests.worlds.odd_certificates import ODD
from tests.worlds.reader import GOOD, Reader, slice_of


@pytest.fixture
def reader() -> Reader:
    return Reader()


def test_a_good_record_is_taken_whole(reader: Reader) -> None:
    assert reader.held.refusals == {}
    assert set(reader.held.view) == {key_of(item) for item in GOOD}
    assert reader.held.head is not None
    assert reader.held.head.order == (1, 1)


BAD_ADDRESSES = {
    "10.9.1.4": "is not in member eu-central's ranges [10.2.0.0/16, {overlay}]",
    "10.1.1.4": "is not in member eu-central's ranges [10.2.0.0/16, {overlay}]",
    "127.0.0.1": "from member eu-central lies in 127.0.0.0/8, which is never an endpoint",
    "169.254.169.254": "from member eu-central lies in 169.254.0.0/16, which is never an endpoint",
    "224.0.0.1": "from member eu-central lies in 224.0.0.0/4, which is never an endpoint",
    "0.0.0.0": "from member eu-central lies in 0.0.0.0/8, which is never an endpoint",
    "::1": "from member eu-central lies in ::1/128, which is never an endpoint",
    "fe80::1": "from member eu-central lies in fe80::/10, which is never an endpoint",
    "::ffff:10.2.0.1": "from member eu-central is a v4-mapped address",
    "10.2.0.1.evil": "from member eu-central is not an IP address",
    "010.2.0.1": "from member eu-central is not an IP address",
}


@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_an_endpoint_where_it_may_not_be_is_refused_alone(reader: Reader, address: str) -> None:
    why = BAD_ADDRESSES[address].format(overlay=reader.overlay)
    text = f"E103 endpoint {address} of shop/web {why}; slice rejected, last good kept"
    assert reader.refusal(slice_of("10.2.1.11", address)) == text
    assert reader.held.view[key_of(GOOD[2])] == GOOD[2]


def test_an_endpoint_in_the_readers_own_ranges_is_refused_even_where_the_ledger_would_allow_it() -> None:
    acme = Acme()
    overlapping = msgspec.structs.replace(acme.member("eu-central"), local=("10.1.0.0/16",))
    held = HeldRecord(overlapping, acme.member("us-east"))
    tree = content(slice_of("10.1.1.4"))
    held.take(acme.keys["eu-central"].head(tree, 1), tree)
    assert [str(error) for error in held.refusals.values()] == [
        "E103 endpoint 10.1.1.4 of shop/web from member eu-central lies in our own ranges; slice rejected, last good kept"
    ]


def test_what_stands_for_a_refused_resource_survives_a_restart(reader: Reader) -> None:
    reader.refusal(slice_of("10.9.1.4"))
    after = HeldRecord(reader.acme.member("eu-central"), reader.acme.member("us-east"))
    after.take(reader.held.signed, reader.held.tree)
    assert key_of(GOOD[2]) not in after.view
    after.recall(reader.held.last_good())
    assert after.view == reader.held.view


def test_a_namespace_that_was_not_granted_is_refused() -> None:
    acme = Acme()
    member = msgspec.structs.replace(acme.member("eu-central"), namespaces=("shop", "pay"))
    held = HeldRecord(member, acme.member("us-east"))
    tree = content(Export(service=ServiceKey("bank", "web")))
    held.take(acme.keys["eu-central"].head(tree, 1), tree)
    assert [str(error) for error in held.refusals.values()] == [
        'E102 service bank/web: namespace "bank" is not granted to member "eu-central" [shop, pay]; last good kept'
    ]


BAD_PORTS: dict[str, tuple[Port, str]] = {
    "number": (
        Port("http", 70_000),
        "E120 service shop/odd of member eu-central: port 70000 is not 1 to 65535; last good kept",
    ),
    "name": (
        Port("ht\ntp", 80),
        "E114 service shop/odd of member eu-central: port name 'ht\\ntp' is not a DNS label; last good kept",
    ),
    "appProtocol": (
        Port("http", 80, "TCP", "x\ny"),
        "E114 service shop/odd of member eu-central: appProtocol 'x\\ny' is no name; last good kept",
    ),
    "appProtocol with a space": (
        Port("http", 80, "TCP", "my http"),
        "E114 service shop/odd of member eu-central: appProtocol 'my http' is no name; last good kept",
    ),
}


@pytest.mark.parametrize("case", BAD_PORTS)
def test_a_port_that_no_kubernetes_would_take_is_refused(reader: Reader, case: str) -> None:
    port, text = BAD_PORTS[case]
    assert reader.refusal(GOOD[2], Export(service=ServiceKey("shop", "odd"), ports=(port,))) == text


def test_a_flood_of_bad_resources_moves_nothing(reader: Reader) -> None:
    tree = content(*GOOD)
    for number in range(1_001):
        tree = tree.put(f"export/shop/s{number}", b"\xc1")
    with pytest.raises(Refused) as caught:
        reader.held.take(reader.writer.head(tree, 99), tree)
    assert str(caught.value) == 'E118 member "eu-central": more than 1000 refused resources; last good kept'


def test_a_resource_under_another_key_is_refused(reader: Reader) -> None:
    tree = content(*GOOD).put("slice/shop/other/a/x", encode(GOOD[2]))
    reader.take_tree(tree)
    assert [str(error) for error in reader.held.refusals.values()] == [
        'E120 resource "slice/shop/other/a/x" of member "eu-central" calls itself "slice/shop/web/a/http.tcp.8080"'
    ]


def test_bytes_that_are_no_resource_are_refused_alone(reader: Reader) -> None:
    reader.take_tree(content(*GOOD).put("export/shop/web", b"\xc1"))
    [error] = reader.held.refusals.values()
    assert error.code == "E120"
    assert reader.held.view["export/shop/web"] == GOOD[1]


def test_a_kind_of_a_later_version_is_left_alone(reader: Reader) -> None:
    reader.take_tree(content(*GOOD).put("hologram/1", b"\x80"))
    assert reader.held.refusals == {}
    assert reader.held.tree.get("hologram/1") == b"\x80"


def test_a_refused_resource_that_is_withdrawn_takes_its_last_good_along(reader: Reader) -> None:
    reader.refusal(slice_of("10.9.1.4"))
    reader.take(*GOOD[:2])
    assert reader.held.refusals == {}
    assert key_of(GOOD[2]) not in reader.held.view


Forge = Callable[[Reader, Tree], bytes]
FORGED: dict[str, tuple[Forge, str]] = {
    "signed by another member": (
        lambda r, t: r.acme.keys["us-east"].head(t, 9, member="eu-central"),
        'E105 record of member "eu-central": the signature is not its owner\'s; last good kept',
    ),
    "signed by a stranger": (
        lambda r, t: Keys("eu-central", "10.2.0.0/16").head(t, 9),
        'E105 record of member "eu-central": the signature is not its owner\'s; last good kept',
    ),
    "one bit of the signature flipped": (
        lambda r, t: flipped(r.writer.head(t, 9)),
        'E105 record of member "eu-central": the signature is not its owner\'s; last good kept',
    ),
    "the owner's head over other content": (
        lambda r, t: r.writer.head(tree_of({"about": b"other"}), 9),
        'E105 record of member "eu-central": the head signs other content; last good kept',
    ),
    "the owner's signature on a head for another member": (
        lambda r, t: r.writer.head(t, 9, member="us-east"),
        'E105 record of member "eu-central": the head signs other content; last good kept',
    ),
    "an older generation": (
        lambda r, t: r.writer.head(t, 1, epoch=0),
        'E109 record of member "eu-central": generation 0.1 is older than 1.1, which is held; last good kept',
    ),
    "the same generation over other content": (
        lambda r, t: r.writer.head(t, 1),
        'E109 record of member "eu-central": generation 1.1 is held with other content; last good kept',
    ),
    "no head at all": (
        lambda r, t: b"",
        'E120 record head of member "eu-central" (0 bytes): Input data was truncated',
    ),
}


def flipped(data: bytes) -> bytes:
    signed = msgspec.msgpack.decode(data, type=Signed)
    signature = bytes([signed.signature[0] ^ 1]) + signed.signature[1:]
    return msgspec.msgpack.encode(Signed(signed.body, signature))


@pytest.mark.parametrize("case", FORGED)
def test_a_forged_or_stale_head_moves_nothing(reader: Reader, case: str) -> None:
    forge, text = FORGED[case]
    tree = content(*GOOD, Export(service=ServiceKey("shop", "extra")))
    before = (reader.held.tree.root, dict(reader.held.view), reader.held.head)
    with pytest.raises(Refused) as caught:
        reader.held.take(forge(reader, tree), tree)
    assert str(caught.value) == text
    assert (reader.held.tree.root, dict(reader.held.view), reader.held.head) == before


def test_every_flipped_byte_of_a_resource_is_refused_by_the_root(reader: Reader) -> None:
    tree = content(*GOOD)
    head = reader.writer.head(tree, 9)
    data = tree.get("export/shop/web")
    assert data is not None
    for index in range(len(data)):
        bent = tree.put("export/shop/web", data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :])
        with pytest.raises(Refused, match="signs other content"):
            reader.held.take(head, bent)


def test_more_ports_than_a_slice_can_hold_are_refused(reader: Reader) -> None:
    many = Export(service=ServiceKey("shop", "many"), ports=tuple(Port(f"p{n}", n) for n in range(1, 102)))
    assert reader.refusal(GOOD[2], many) == (
        "E118 service shop/many of member eu-central: 101 ports > 100; last good kept"
    )


def test_more_services_than_the_quota_move_nothing() -> None:
    acme = Acme()
    quota = msgspec.structs.replace(acme.member("eu-central").quota, services=2, endpoints=3)
    held = HeldRecord(msgspec.structs.replace(acme.member("eu-central"), quota=quota), acme.member("us-east"))
    three = content(*(Export(service=ServiceKey("shop", name)) for name in "abc"))
    with pytest.raises(Refused) as caught:
        held.take(acme.keys["eu-central"].head(three, 1), three)
    assert str(caught.value) == 'E118 member "eu-central": 3 services > quota 2; last good kept'
    four = content(slice_of(*(f"10.2.0.{n}" for n in range(1, 5))))
    with pytest.raises(Refused) as caught:
        held.take(acme.keys["eu-central"].head(four, 1), four)
    assert str(caught.value) == 'E118 member "eu-central": 4 endpoints > quota 3; last good kept'


ANCHOR = make_anchor("eu-central.acme.mesh", NOW)[1]
BAD_TRUST: dict[str, tuple[Resource, str]] = {
    "an anchor that is too long": (
        Rotation(anchor="x" * 8_193, next_anchor=""),
        'E117 rotation of member "eu-central": anchor of 8193 bytes > 8192',
    ),
    "a proof that is too long": (
        Rotation(anchor="x", next_anchor="", by_next=bytes(9_000)),
        'E117 rotation of member "eu-central": by_next of 9000 bytes > 8192',
    ),
    "an anchor that cannot be read": (
        Rotation(anchor=ANCHOR, next_anchor=ssl.DER_cert_to_PEM_cert(ODD["an extension twice"][0])),
        "E107 anchor of member eu-central cannot be read: Duplicate 1.2.3.4 extension found; last good kept",
    ),
    "an anchor for another trust domain": (
        Rotation(anchor=make_anchor("us-east.acme.mesh", NOW)[1], next_anchor=""),
        "E107 CA certificate of member eu-central lacks critical name constraints (URI permitted: eu-central.acme.mesh); "
        "last good kept",
    ),
    "a leave of another number": (
        Leave(1),
        'E120 leave of member "eu-central": is of number 1, the ledger has 2',
    ),
    "an index below none": (Seen(-1), 'E120 ledger seen by member "eu-central": -1 is out of range'),
    "an index beyond all": (
        Seen(1 << 62),
        'E120 ledger seen by member "eu-central": 4611686018427387904 is out of range',
    ),
    "too many behind": (
        Seen(1, tuple(f"n{i}" for i in range(9))),
        'E114 programs of member "eu-central" that are behind: more than 8, or no labels',
    ),
    "no name behind": (
        Seen(1, ("a b",)),
        'E114 programs of member "eu-central" that are behind: more than 8, or no labels',
    ),
}


@pytest.mark.parametrize("case", BAD_TRUST)
def test_what_is_said_of_trust_is_bounded(reader: Reader, case: str) -> None:
    resource, text = BAD_TRUST[case]
    assert reader.refusal(resource, GOOD[2]) == text

"""us-east refuses gateways of eu-central that would lead packets astray, or whose key is nobody's alone."""

from hashlib import sha512
from itertools import count

import pytest

from federation.link import possession
from federation.link.possession import proves, wireguard_key
from federation.model.names import MemberName
from federation.model.record import Gateway, Spare
from federation.model.sighting import Sighting
from federation.sync.gateways import LOW_ORDER, PRIME
from tests.worlds.reader import GOOD, Reader

KEY = wireguard_key(b"s" * 32, "eu-central", "gw1")
OTHER = wireguard_key(b"o" * 32, "us-east", "gw1")
ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of the group in which Ed25519 signs (RFC 8032 section 5.1)."""


def gateway(**other: object) -> Gateway:
    fields: dict[str, object] = {
        "id": 1,
        "node": "gw1",
        "key": KEY.public,
        "proof": KEY.proof,
        "endpoint": "192.0.2.2:51820",
        "overlay": "fd00::1",
        "port": 15443,
    }
    return Gateway(**(fields | other))  # type: ignore[arg-type]


@pytest.fixture
def reader() -> Reader:
    return Reader()


BAD_GATEWAYS: dict[str, tuple[dict[str, object], str]] = {
    "foreign overlay": (
        {"overlay": "fd00::1"},
        'E103 gateway 1 of member "eu-central": overlay address fd00::1 is not in {overlay}; last good kept',
    ),
    "all-zero key": (
        {"overlay": "{in}", "key": bytes(32)},
        'E121 gateway 1 of member "eu-central": the WireGuard public key is not 32 bytes or is all zero; last good kept',
    ),
    "key of another, without a proof": (
        {"overlay": "{in}", "proof": b""},
        'E121 gateway 1 of member "eu-central": does not prove possession of its WireGuard key; last good kept',
    ),
    "key and proof of another member": (
        {"overlay": "{in}", "key": OTHER.public, "proof": OTHER.proof},
        'E121 gateway 1 of member "eu-central": does not prove possession of its WireGuard key; last good kept',
    ),
    "loopback endpoint": (
        {"overlay": "{in}", "endpoint": "127.0.0.1:51820"},
        'E122 gateway 1 of member "eu-central": endpoint 127.0.0.1:51820 lies in 127.0.0.0/8, which is never an '
        "endpoint; last good kept",
    ),
    "endpoint among our pods": (
        {"overlay": "{in}", "endpoint": "10.1.4.4:51820"},
        'E122 gateway 1 of member "eu-central": endpoint 10.1.4.4:51820 lies in our own ranges; last good kept',
    ),
    "endpoint behind the link itself": (
        {"overlay": "{in}", "endpoint": "[{in}]:51820"},
        'E122 gateway 1 of member "eu-central": endpoint [{inside}]:51820 lies in its own overlay; last good kept',
    ),
    "further endpoint on loopback": (
        {"overlay": "{in}", "alternates": ("198.51.100.2:51820", "127.0.0.1:51820")},
        'E122 gateway 1 of member "eu-central": endpoint 127.0.0.1:51820 lies in 127.0.0.0/8, which is never an '
        "endpoint; last good kept",
    ),
    "further endpoint among our pods": (
        {"overlay": "{in}", "alternates": ("10.1.4.4:51820",)},
        'E122 gateway 1 of member "eu-central": endpoint 10.1.4.4:51820 lies in our own ranges; last good kept',
    ),
    "further endpoint that is none": (
        {"overlay": "{in}", "alternates": ("gw.example:51820",)},
        "E122 gateway 1 of member \"eu-central\": endpoint 'gw.example:51820' is not ip:port; last good kept",
    ),
    "too many further endpoints": (
        {"overlay": "{in}", "alternates": tuple(f"198.51.100.{i}:51820" for i in range(4))},
        'E118 gateway 1 of member "eu-central": 4 further endpoints > 3; last good kept',
    ),
    "v4-mapped endpoint": (
        {"overlay": "{in}", "endpoint": "[::ffff:c000:202]:51820"},
        'E122 gateway 1 of member "eu-central": endpoint [::ffff:c000:202]:51820 is a v4-mapped address; last good kept',
    ),
}


SPARE_KEY = wireguard_key(b"n" * 32, "eu-central", "gw1")
BAD_SPARES: dict[str, tuple[dict[str, object], str]] = {
    "without a proof": (
        {"proof": b""},
        "E121 {name}: does not prove possession of its WireGuard key; last good kept",
    ),
    "key and proof of another member": (
        {"key": OTHER.public, "proof": OTHER.proof},
        "E121 {name}: does not prove possession of its WireGuard key; last good kept",
    ),
    "a ninth rail": ({"rail": 9}, "E120 {name}: rail 9 is not 1 to 8; last good kept"),
    "among our pods": (
        {"endpoint": "10.1.4.4:51828"},
        "E122 {name}: endpoint 10.1.4.4:51828 lies in our own ranges; last good kept",
    ),
    "further endpoint that is none": (
        {"alternates": ("gw.example:51828",)},
        "E122 {name}: endpoint 'gw.example:51828' is not ip:port; last good kept",
    ),
    "too many further endpoints": (
        {"alternates": tuple(f"198.51.100.{i}:51828" for i in range(4))},
        "E118 {name}: 4 further endpoints > 3; last good kept",
    ),
}


@pytest.mark.parametrize("case", ["good", *BAD_SPARES])
def test_a_spare_key_is_looked_at_as_the_first_is(reader: Reader, case: str) -> None:
    fields: dict[str, object] = {
        "key": SPARE_KEY.public, "proof": SPARE_KEY.proof, "endpoint": "192.0.2.2:51828", "rail": 2
    }  # fmt: skip
    fields |= BAD_SPARES[case][0] if case in BAD_SPARES else {}
    made = gateway(overlay=reader.overlay.replace("::/64", "::1"), spare=Spare(**fields))  # type: ignore[arg-type]
    if case not in BAD_SPARES:
        reader.take(*GOOD, made)
        assert not reader.held.refusals
        return
    said = reader.refusal(made, GOOD[2])
    assert said == BAD_SPARES[case][1].format(name='gateway 1 of member "eu-central": spare')


@pytest.mark.parametrize("case", BAD_GATEWAYS)
def test_a_bad_gateway_is_refused(reader: Reader, case: str) -> None:
    fields, text = BAD_GATEWAYS[case]
    inside = reader.overlay.replace("::/64", "::1")
    made = {key: value.replace("{in}", inside) if isinstance(value, str) else value for key, value in fields.items()}
    assert reader.refusal(gateway(**made), GOOD[2]) == text.format(overlay=reader.overlay, inside=inside)


INJECTED = [
    "192.0.2.2:51820\npublic_key=00\nremove=true",
    "192.0.2.2:abc",
    "192.0.2.2:",
    "192.0.2.2",
    "192.0.2.2:051820",
    "192.0.2.2:5\u0661",
    "192.0.2.02:51820",
    "[192.0.2.2]:51820",
    "fd00::1:51820",
    "[fe80::1%eth0]:51820",
    "[::ffff:192.0.2.2]:51820",
    "host.example:51820",
    "",
]


@pytest.mark.parametrize("endpoint", INJECTED)
def test_an_endpoint_in_any_but_its_one_spelling_is_refused(reader: Reader, endpoint: str) -> None:
    inside = reader.overlay.replace("::/64", "::1")
    assert reader.refusal(gateway(overlay=inside, endpoint=endpoint), GOOD[2]) == (
        f'E122 gateway 1 of member "eu-central": endpoint {endpoint!r} is not ip:port; last good kept'
    )


NUMBERS: dict[str, tuple[dict[str, object], str]] = {
    "port": ({"port": 70_000}, "port 70000 is not 1 to 65535"),
    "negative id": ({"id": -5}, "id -5 is not 1 to 65535"),
    "endpoint port": ({"endpoint": "192.0.2.2:70000"}, "endpoint port 70000 is not 1 to 65528"),
    "endpoint port without room for rails": (
        {"endpoint": "192.0.2.2:65529"},
        "endpoint port 65529 is not 1 to 65528",
    ),
    "no rail": ({"rail": 0}, "rail 0 is not 1 to 8"),
    "a ninth rail": ({"rail": 9}, "rail 9 is not 1 to 8"),
}


@pytest.mark.parametrize("case", NUMBERS)
def test_a_number_out_of_range_is_refused(reader: Reader, case: str) -> None:
    fields, what = NUMBERS[case]
    inside = reader.overlay.replace("::/64", "::1")
    number = fields.get("id", 1)
    assert reader.refusal(gateway(**({"overlay": inside} | fields)), GOOD[2]) == (
        f'E120 gateway {number} of member "eu-central": {what}; last good kept'
    )


def test_a_scoped_overlay_address_is_refused(reader: Reader) -> None:
    scoped = reader.overlay.replace("::/64", "::1%zz")
    assert f"overlay address {scoped} is not in" in reader.refusal(gateway(overlay=scoped), GOOD[2])


def test_a_key_of_low_order_is_refused_though_its_proof_is_good(reader: Reader) -> None:
    """The point of order 4 signs what it likes: with s = 0 a signature is good for every fourth statement."""
    point, identity = bytes(32), (1).to_bytes(32, "little")
    key = (1).to_bytes(32, "little")
    for number in count():
        node = f"n{number}"
        statement = possession._statement("eu-central", node, key)
        if int.from_bytes(sha512(identity + point + statement).digest(), "little") % ORDER % 4 == 0:
            break
    proof = point + identity + bytes(32)
    assert proves(proof, key, "eu-central", node)
    made = gateway(overlay=reader.overlay.replace("::/64", "::1"), key=key, proof=proof, node=node)
    assert reader.refusal(made, GOOD[2]) == (
        'E121 gateway 1 of member "eu-central": the WireGuard public key is of low order; last good kept'
    )


def test_the_keys_of_low_order_are_those_of_the_curve() -> None:
    """Eight times each is the point at infinity (RFC 7748 section 5, three doublings in projective coordinates)."""
    for u in LOW_ORDER:
        x, z = u, 1
        for _ in range(3):
            plus, minus = pow(x + z, 2, PRIME), pow(x - z, 2, PRIME)
            x, z = plus * minus % PRIME, (plus - minus) * (plus + 121_665 * (plus - minus)) % PRIME
        assert z == 0, u


def sighting(**other: object) -> Sighting:
    fields: dict[str, object] = {"member": "ap-south", "gateway": 1, "rail": 1, "endpoint": "198.51.100.7:4000"}
    return Sighting(**(fields | other))  # type: ignore[arg-type]


ABOUT = 'sighting of gateway 1 of "ap-south" by member "eu-central"'
BAD_SIGHTINGS: dict[str, tuple[dict[str, object], str]] = {
    "of its own": (
        {"member": "eu-central"},
        'E114 sighting of gateway 1 of "eu-central" by member "eu-central": is not about another member; last good kept',
    ),
    "of no member": (
        {"member": "Mars!"},
        'E114 sighting of gateway 1 of "Mars!" by member "eu-central": is not about another member; last good kept',
    ),
    "no id": (
        {"gateway": 0},
        'E120 sighting of gateway 0 of "ap-south" by member "eu-central": id 0 is not 1 to 65535; last good kept',
    ),
    "a ninth rail": ({"rail": 9}, f"E120 {ABOUT}: rail 9 is not 1 to 8; last good kept"),
    "no port": ({"endpoint": "198.51.100.7:0"}, f"E120 {ABOUT}: endpoint port 0 is not 1 to 65535; last good kept"),
    "no address": ({"endpoint": "here:1"}, f"E122 {ABOUT}: endpoint 'here:1' is not ip:port; last good kept"),
    "multicast": (
        {"endpoint": "224.0.0.1:51820"},
        f"E122 {ABOUT}: endpoint 224.0.0.1:51820 lies in 224.0.0.0/4, which is never an endpoint; last good kept",
    ),
    "metadata service": (
        {"endpoint": "169.254.169.254:80"},
        f"E122 {ABOUT}: endpoint 169.254.169.254:80 lies in 169.254.0.0/16, which is never an endpoint; last good kept",
    ),
    "through a tunnel": (
        {"endpoint": "[{in}]:51820"},
        f"E122 {ABOUT}: endpoint [{{inside}}]:51820 lies in the overlay; last good kept",
    ),
}


@pytest.mark.parametrize("case", BAD_SIGHTINGS)
def test_a_bad_sighting_is_refused(reader: Reader, case: str) -> None:
    fields, text = BAD_SIGHTINGS[case]
    inside = reader.overlay.replace("::/64", "::1")
    made = {key: value.replace("{in}", inside) if isinstance(value, str) else value for key, value in fields.items()}
    assert reader.refusal(sighting(**made), GOOD[2]) == text.replace("{inside}", inside)


@pytest.mark.parametrize("member", ["us-east", "ap-south"])
def test_a_sighting_among_our_own_addresses_is_nobodys_fault(reader: Reader, member: str) -> None:
    """Networks behind NAT have addresses of their own, and may have ours: nobody of ours sends there (`plan/mesh.py`)."""
    said = sighting(member=MemberName(member), endpoint="10.1.4.4:51820")
    reader.take(*GOOD, said)
    assert not reader.held.refusals and said in reader.held.view.values()

"""Admission: who is let in, and the exact words for who is not."""

import ssl
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest
from msgspec import structs

from federation.model.errors import InputError, IsthmusError, Refused
from federation.registrar.admit import admit, overlay_prefix, read_request
from federation.registrar.ledger import SignedLedger, append, decode_ledger, encode_ledger, read_ledger
from federation.registrar.signing import LEDGER, SigningKey, fingerprint, new_signing_key
from federation.trust.anchor import make_anchor
from tests.worlds.acme import DOMAIN, NOW, Acme, Keys
from tests.worlds.odd_certificates import P256, UNKNOWN_KIND


@pytest.fixture(scope="module")
def acme() -> Acme:
    return Acme()


def test_numbers_and_prefixes_are_given_in_order_and_differ(acme: Acme) -> None:
    members = acme.ledger.active()
    assert [(m.name, m.number) for m in members] == [("us-east", 1), ("eu-central", 2)]
    assert [m.overlay for m in members] == [str(overlay_prefix(DOMAIN, n)) for n in (1, 2)]
    assert len({overlay_prefix(DOMAIN, n) for n in range(1, 500)}) == 499


RANGES = {
    "equal": ("10.2.0.0/16", "10.2.0.0/16"),
    "more specific": ("10.2.5.0/24", "10.2.0.0/16"),
    "supernet": ("10.0.0.0/14", "10.1.0.0/16"),
}


@pytest.mark.parametrize("case", RANGES)
def test_reachable_ranges_that_overlap_are_refused_with_their_owner(acme: Acme, case: str) -> None:
    cidr, taken = RANGES[case]
    owner = "eu-central" if taken.startswith("10.2") else "us-east"
    with pytest.raises(Refused) as caught:
        admit(acme.ledger, Keys("ap-south", cidr).applicant, NOW)
    assert str(caught.value) == (
        f'E101 reachable CIDR {cidr} overlaps {taken} owned by member "{owner}"; '
        "choose another or ask its owner to release it"
    )


BAD_RANGES = {
    "0.0.0.0/0": 'E101 reachable CIDR of member "ap-south" "0.0.0.0/0": a default route cannot be claimed',
    "::/0": 'E101 reachable CIDR of member "ap-south" "::/0": a default route cannot be claimed',
    "10.3.0.1/16": 'E101 reachable CIDR of member "ap-south" "10.3.0.1/16": 10.3.0.1/16 has host bits set',
    "127.0.0.0/8": (
        'E101 reachable CIDR of member "ap-south" "127.0.0.0/8" overlaps 127.0.0.0/8, which no member may claim'
    ),
    "169.254.0.0/16": (
        'E101 reachable CIDR of member "ap-south" "169.254.0.0/16" overlaps 169.254.0.0/16, which no member may claim'
    ),
    "::ffff:10.2.0.0/112": (
        'E101 reachable CIDR of member "ap-south" "::ffff:10.2.0.0/112" overlaps ::ffff:0:0/96, which no member may claim'
    ),
    "ten": 'E101 reachable CIDR of member "ap-south" "ten": \'ten\' does not appear to be an IPv4 or IPv6 network',
}


@pytest.mark.parametrize("cidr", BAD_RANGES)
def test_ranges_that_nobody_may_claim_are_refused(acme: Acme, cidr: str) -> None:
    with pytest.raises(InputError) as caught:
        admit(acme.ledger, Keys("ap-south", cidr).applicant, NOW)
    assert str(caught.value) == BAD_RANGES[cidr]


def test_ranges_of_one_member_that_overlap_are_refused(acme: Acme) -> None:
    keys = Keys("ap-south", "10.3.0.0/16")
    applicant = msgspec.structs.replace(keys.applicant, reachable=("10.3.0.0/16", "10.3.7.0/24"))
    with pytest.raises(Refused) as caught:
        admit(acme.ledger, applicant, NOW)
    assert str(caught.value) == (
        'E101 reachable CIDR 10.3.7.0/24 of member "ap-south" overlaps its own 10.3.0.0/16; give each once'
    )


def test_a_range_in_the_overlay_is_refused(acme: Acme) -> None:
    overlay = overlay_prefix(DOMAIN, 1).supernet(new_prefix=48)
    with pytest.raises(Refused) as caught:
        admit(acme.ledger, Keys("ap-south", str(overlay_prefix(DOMAIN, 9))).applicant, NOW)
    assert str(caught.value).endswith(f"overlaps {overlay}, the federation's overlay")


def test_a_name_is_bound_to_its_first_key(acme: Acme) -> None:
    with pytest.raises(Refused) as caught:
        admit(acme.ledger, Keys("eu-central", "10.7.0.0/16").applicant, NOW)
    assert str(caught.value).startswith('E102 cluster "eu-central" is already joined with CA sha256:')


def test_one_that_was_revoked_comes_back_only_when_the_registrar_says_so_and_with_new_keys() -> None:
    acme = Acme()
    gone = structs.replace(acme.member("eu-central"), state="revoked")
    acme.signed = append(acme.signed, gone, DOMAIN, 1, acme.key)
    fresh = Keys("eu-central", "10.2.0.0/16")
    was = fingerprint(gone.anchor.encode())[:19]
    with pytest.raises(Refused) as caught:
        admit(acme.ledger, fresh.applicant, NOW)
    assert str(caught.value) == (
        f'E102 cluster "eu-central" was joined with CA {was}… and is revoked; choose another name, or let it in again '
        "with --rejoin"
    )
    with pytest.raises(Refused) as caught:
        admit(acme.ledger, acme.keys["eu-central"].applicant, NOW, rejoin=True)
    assert str(caught.value) == 'E102 cluster "eu-central" is revoked and comes back with a key it had; make new ones'
    back = admit(acme.ledger, fresh.applicant, NOW, rejoin=True)
    assert (back.number, back.state, back.overlay == gone.overlay) == (3, "active", False)


def test_an_active_member_is_never_replaced(acme: Acme) -> None:
    with pytest.raises(Refused) as caught:
        admit(acme.ledger, Keys("eu-central", "10.7.0.0/16").applicant, NOW, rejoin=True)
    assert str(caught.value).startswith('E102 cluster "eu-central" is already joined with CA sha256:')


Bend = Callable[[Keys], Keys]


def with_anchor_of(other: str) -> Bend:
    def bend(keys: Keys) -> Keys:
        keys.anchor_key, keys.anchor = make_anchor(f"{other}.{DOMAIN}", NOW)
        keys.applicant = msgspec.structs.replace(keys.applicant, anchor=keys.anchor)
        return keys

    return bend


def test_an_anchor_for_another_trust_domain_is_refused(acme: Acme) -> None:
    keys = with_anchor_of("us-east")(Keys("ap-south", "10.7.0.0/16"))
    with pytest.raises(Refused) as caught:
        admit(acme.ledger, read_request(keys.request()), NOW)
    assert str(caught.value) == (
        "E107 CA certificate of member ap-south lacks critical name constraints (URI permitted: ap-south.acme.mesh)"
    )


def test_an_anchor_from_the_future_names_the_clock(acme: Acme) -> None:
    with pytest.raises(Refused) as caught:
        admit(acme.ledger, Keys("ap-south", "10.7.0.0/16").applicant, NOW - timedelta(hours=1))
    assert str(caught.value) == (
        "E108 CA certificate of member ap-south is valid from 2026-11-21T11:55Z to 2036-11-18T12:00Z, "
        "local time 2026-11-21T11:00Z: clock skew suspected"
    )


def test_a_request_must_prove_both_keys() -> None:
    honest, thief = Keys("ap-south", "10.7.0.0/16"), Keys("thief", "10.8.0.0/16")
    honest.record_pem, record = thief.record_pem, honest.record_pem
    with pytest.raises(Refused) as caught:
        read_request(honest.request())
    assert str(caught.value) == 'E105 join request of "ap-south" does not prove possession of its record key'
    honest.record_pem, honest.anchor_key = record, thief.anchor_key
    with pytest.raises(Refused) as caught:
        read_request(honest.request())
    assert str(caught.value) == 'E105 join request of "ap-south" does not prove possession of its anchor key'


def test_a_request_for_another_federation_is_refused(acme: Acme) -> None:
    with pytest.raises(Refused) as caught:
        admit(acme.ledger, Keys("ap-south", "10.7.0.0/16", "other.mesh").applicant, NOW)
    assert str(caught.value) == 'E102 join request is for federation "other.mesh", this one is "acme.mesh"'


def test_a_ledger_survives_its_file(acme: Acme) -> None:
    assert read_ledger(decode_ledger(encode_ledger(acme.signed)), acme.fingerprint) == acme.ledger


def bent_ledgers(acme: Acme) -> dict[str, SignedLedger]:
    first, second = acme.signed.entries
    stranger = SigningKey(new_signing_key(), LEDGER)
    forged = append(SignedLedger(acme.signed.key, (first,)), acme.member("eu-central"), DOMAIN, 1, stranger)
    flipped = msgspec.structs.replace(second, body=second.body[:-1] + bytes([second.body[-1] ^ 1]))
    return {
        "signed by a stranger": forged,
        "an entry bent": SignedLedger(acme.signed.key, (first, flipped)),
        "an entry left out": SignedLedger(acme.signed.key, (second,)),
        "entries swapped": SignedLedger(acme.signed.key, (second, first)),
        "an entry twice": SignedLedger(acme.signed.key, (first, first)),
        "empty": SignedLedger(acme.signed.key),
        "another key": SignedLedger(stranger.public, acme.signed.entries),
    }


@pytest.mark.parametrize("case", sorted(bent_ledgers(Acme())))
def test_a_ledger_that_the_federation_did_not_sign_so_is_refused(acme: Acme, case: str) -> None:
    with pytest.raises(Refused):
        read_ledger(bent_ledgers(acme)[case], acme.fingerprint)


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 30])
def test_bytes_that_are_no_request_are_refused(data: bytes) -> None:
    with pytest.raises(IsthmusError, match="E120 join request"):
        read_request(data)


def test_a_request_whose_anchor_has_an_unknown_kind_of_key_is_refused() -> None:
    keys = Keys("ap-south", "10.7.0.0/16")
    der = ssl.PEM_cert_to_DER_cert(keys.anchor).replace(P256, UNKNOWN_KIND)
    keys.applicant = structs.replace(keys.applicant, anchor=ssl.DER_cert_to_PEM_cert(der))
    text = "^E120 join request .* cannot be read: Unknown key type: 1.2.840.10045.2.9$"
    with pytest.raises(Refused, match=text):
        read_request(keys.request())


PUBLIC = {
    "ingress inside another's range": (
        {"ingress": ("10.2.0.7",)},
        'E101 ingress "10.2.0.7" of member "ap-south" belongs to member "eu-central"',
    ),
    "another's ingress": (
        {"ingress": ("198.51.100.1",)},
        'E101 ingress "198.51.100.1" of member "ap-south" belongs to member "us-east"',
    ),
    "another's name server": (
        {"nameservers": ("198.51.100.53",)},
        'E101 nameserver "198.51.100.53" of member "ap-south" belongs to member "us-east"',
    ),
    "another spelling": (
        {"ingress": ("2001:DB8::1",)},
        'E103 ingress "2001:DB8::1" of member "ap-south": is not in its usual spelling; give a public IP address',
    ),
    "loopback": (
        {"nameservers": ("127.0.0.1",)},
        'E103 nameserver "127.0.0.1" of member "ap-south": lies in 127.0.0.0/8, which is never an endpoint; give a public IP address',
    ),
    "no address": (
        {"ingress": ("shop.example.com",)},
        'E103 ingress "shop.example.com" of member "ap-south": is not an IP address; give a public IP address',
    ),
}


@pytest.mark.parametrize("case", PUBLIC)
def test_public_addresses_are_one_members_alone(acme: Acme, case: str) -> None:
    fields, text = PUBLIC[case]
    first = msgspec.structs.replace(acme.member("us-east"), ingress=("198.51.100.1",), nameservers=("198.51.100.53",))
    ledger = msgspec.structs.replace(acme.ledger, members=acme.ledger.members | {first.name: first})
    applicant = msgspec.structs.replace(Keys("ap-south", "10.7.0.0/16").applicant, **fields)
    with pytest.raises(IsthmusError) as caught:
        admit(ledger, applicant, NOW)
    assert str(caught.value) == text


def test_a_zone_is_granted_by_the_registrar_alone(acme: Acme) -> None:
    applicant = Keys("ap-south", "10.7.0.0/16").applicant
    assert admit(acme.ledger, applicant, NOW).dns_zones == ()
    assert admit(acme.ledger, applicant, NOW, ("example.test",)).dns_zones == ("example.test",)
    with pytest.raises(InputError) as caught:
        admit(acme.ledger, applicant, NOW, ("Example",))
    assert (
        str(caught.value) == 'E114 DNS zone "Example": must be a DNS name such as "acme.mesh", at most 200 characters'
    )

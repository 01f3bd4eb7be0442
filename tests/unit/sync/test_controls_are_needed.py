"""Threat model C1 to C10, the other way round: each attack is refused, and succeeds once the control that refuses it is taken
away. A control that no attack needs would be no control; an attack that fails for another reason would prove nothing.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from cryptography import x509
from msgspec import structs

from federation.link.dial import MESSAGE_MAX, bound
from federation.link.possession import wireguard_key
from federation.model.errors import IsthmusError
from federation.model.ledger import Member
from federation.model.local import LocalFacts
from federation.model.names import MemberName, ServiceKey
from federation.model.public import GlobalName
from federation.model.record import (
    Export,
    Gateway,
    Numbers,
    Port,
    PublicName,
    Resource,
    Rotation,
    Signed,
    key_of,
)
from federation.plan.exports import merge
from federation.plan.service import Offered, ServiceInputs, plan_service
from federation.registrar.admit import admit
from federation.registrar.ledger import append, read_ledger
from federation.registrar.rotate import rotated
from federation.registrar.signing import LEDGER, SigningKey, new_signing_key
from federation.session.messages import Update, encode
from federation.session.pace import Pace
from federation.session.session import TOPICS_MAX, Session
from federation.session.tree import tree_of
from federation.sync import relay
from federation.sync.held import REFUSALS_MAX, HeldRecord
from federation.sync.rules import check_head
from gateways.peers import accept_peers
from tests.e2e.test_attack_matrix import dialled, openssl
from tests.worlds.acme import NOW, Acme, Keys, content
from tests.worlds.attacks import Bed, plain
from tests.worlds.reader import GOOD, WEB, Reader, slice_of
from tests.worlds.two_members import painted, site
from tests.worlds.two_members import peer as handed_peer

KEY = wireguard_key(b"s" * 32, "eu-central", "gw1")
THEIRS = wireguard_key(b"o" * 32, "us-east", "gw1")


def another_controllers_certificate_is_spoken_to() -> bool:
    bed = Bed("constrained")
    return asyncio.run(dialled(bed, bed.attacks["own identity"]))


def a_forged_name_passes_the_chain() -> bool:
    bed = Bed("constrained")
    return openssl(bed, bed.attacks["forged URI"])


def a_loose_anchor_is_admitted() -> bool:
    acme, keys = Acme(), Keys("ap-south", "10.3.0.0/16")
    admit(acme.ledger, structs.replace(keys.applicant, anchor=plain("ap-south.acme.mesh").pem), NOW)
    return True


def wish(anchor: str) -> Rotation:
    return Rotation(anchor=ACME.member("eu-central").anchor, next_anchor=anchor)


ACME = Acme()


def anothers_anchor_is_rotated_without_its_key() -> bool:
    fresh = Keys("eu-central", "10.9.0.0/16").anchor
    return rotated(ACME.ledger, "eu-central", wish(fresh), NOW).next_anchor == fresh


def a_taken_range_is_admitted() -> bool:
    admit(Acme().ledger, Keys("ap-south", "10.2.5.0/24").applicant, NOW)
    return True


def stands(*resources: Resource, **member: Any) -> bool:
    """True when the last of these is in us-east's view of eu-central's record."""
    acme = Acme()
    held = HeldRecord(structs.replace(acme.member("eu-central"), **member), acme.member("us-east"))
    tree = content(*resources)
    held.take(acme.keys["eu-central"].head(tree, 1), tree)
    return key_of(resources[-1]) in held.view


def gateway(**other: Any) -> Gateway:
    inside = ACME.member("eu-central").overlay.replace("::/64", "::1")
    fields: dict[str, Any] = {
        "id": 1,
        "node": "gw1",
        "key": KEY.public,
        "proof": KEY.proof,
        "overlay": inside,
        "port": 15443,
    }
    return Gateway(**(fields | {"endpoint": "192.0.2.2:51820"} | other))


def anothers_overlay_is_claimed() -> bool:
    return stands(gateway(overlay=ACME.member("us-east").overlay.replace("::/64", "::1")))


def anothers_wireguard_key_is_claimed() -> bool:
    return stands(gateway(key=THEIRS.public, proof=THEIRS.proof))


def two_members_have_one_prefix() -> bool:
    own, first, second = painted("us-east"), painted("eu-central"), painted("ap-south")
    stolen = structs.replace(handed_peer(second, "192.0.2.3:51820"), overlay=first.overlay, gateways=())
    peers = accept_peers(site(own), (handed_peer(first, "192.0.2.2:51820"), stolen), [])
    return [one.overlay for one in peers].count(first.overlay) == 2


def an_endpoint_of_others_is_listed() -> bool:
    return stands(slice_of("10.1.1.4"))


def a_gateway_at_loopback_is_listed() -> bool:
    return stands(gateway(endpoint="127.0.0.1:51820"))


def a_gateway_among_our_pods_is_listed() -> bool:
    return stands(gateway(endpoint="10.1.4.4:51820"))


def a_namespace_is_exported_from_ungranted() -> bool:
    return stands(Export(service=ServiceKey("bank", "web")), namespaces=("shop",))


def a_name_is_defined_in_anothers_zone() -> bool:
    return stands(PublicName(GlobalName(host="shop.example.test", service=ServiceKey("shop", "web"))))


def a_later_member_sets_the_port() -> bool:
    service = ServiceKey("shop", "web")
    claims = [(MemberName("eu-central"), 3, 81), (MemberName("us-west"), 2, 80)]
    peers = tuple(
        Offered(
            member=name, region=name, order=order, cost=order,
            export=Export(service=service, ports=(Port("http", port),)), slices=(),
        )
        for name, order, port in claims
    )  # fmt: skip
    inputs = ServiceInputs(
        own=MemberName("us-east"), region="us-east", order=1, local=LocalFacts(key=service), peers=peers,
        addresses=("10.101.0.1",), listeners={"http.TCP.80": 10_001, "http.TCP.81": 10_002},
    )  # fmt: skip
    made: Any = plan_service(inputs).handout[f"import/{service}"]
    return [port.port for port in made.ports] == [81]


def anothers_record_is_written() -> bool:
    reader, tree = Reader(), content(*GOOD, Export(service=ServiceKey("shop", "extra")))
    reader.held.take(reader.acme.keys["us-east"].head(tree, 9, member="eu-central"), tree)
    return True


def the_ledger_is_written() -> bool:
    acme = Acme()
    stranger = SigningKey(new_signing_key(), LEDGER)
    signed = append(
        acme.signed, structs.replace(acme.member("eu-central"), reachable=("10.0.0.0/8",)), "acme.mesh", 1, stranger
    )
    return read_ledger(signed, acme.fingerprint).members[MemberName("eu-central")].reachable == ("10.0.0.0/8",)


def the_owners_head_carries_other_content() -> bool:
    reader = Reader()
    reader.held.take(reader.writer.head(content(*GOOD), 9), content(*GOOD, Export(service=ServiceKey("shop", "extra"))))
    return True


def one_that_withholds_is_asked_for_ever() -> bool:
    carriers = [MemberName(name) for name in "abcd"]
    rounds = [relay.assign([MemberName("x")], carriers, seconds) for seconds in (0.0, 30.0, 60.0, 90.0)]
    return all(one == rounds[0] for one in rounds)


def an_older_record_is_taken() -> bool:
    reader, tree = Reader(), content(*GOOD, Export(service=ServiceKey("shop", "old")))
    reader.held.take(reader.writer.head(tree, 1, epoch=0), tree)
    return True


def a_record_beyond_its_quota_is_taken() -> bool:
    quota = structs.replace(ACME.member("eu-central").quota, services=2)
    return stands(*(Export(service=ServiceKey("shop", name)) for name in "abc"), quota=quota)


def a_resource_beyond_its_size_is_taken() -> bool:
    return stands(Numbers(WEB, {MemberName(f"member-{number:06}"): 1 for number in range(100_000)}))


def labels_without_end_are_in_each_import() -> bool:
    return stands(structs.replace(GOOD[0], labels={f"k{number}": "v" for number in range(10_000)}))


def an_endless_slice_is_taken() -> bool:
    return stands(slice_of(*(f"10.2.{n >> 8}.{n & 255}" for n in range(10_001))))


def refused_resources_are_kept_without_end() -> bool:
    reader = Reader()
    tree = content(*GOOD)
    for number in range(REFUSALS_MAX + 1):
        tree = tree.put(f"export/shop/s{number}", b"\xc1")
    reader.held.take(reader.writer.head(tree, 9), tree)
    return True


def topics_are_opened_without_end() -> bool:
    session, tree = Session("reader", 0.0), tree_of({"a": b"1"})
    for number in range(TOPICS_MAX + 1):
        session.receive(
            encode(Update(topic=f"t{number}", base=None, root=tree.root, head=b"", changed={"a": b"1"})), 0.0
        )
    return True


def changes_are_read_without_end() -> bool:
    pace = Pace(50, 0.0)
    return sum(pace.spend(1, 0.0) for _ in range(1_000)) == 0.0


class Endless:
    """A peer that names a length and sends that much."""

    async def recv_data(self, size: int) -> bytes:
        return b"" if size < 0 else b"x"


def a_message_without_end_is_gathered() -> bool:
    source = Endless()
    bound(source)
    return asyncio.run(source.recv_data(MESSAGE_MAX + 1)) == b"x"


def nothing(*arguments: object) -> None:
    return None


def yes(*arguments: object) -> bool:
    return True


def permits_all(trust_domain: str) -> x509.NameConstraints:
    return x509.NameConstraints(None, [x509.DNSName("none.invalid")])


def any_root(signed: bytes, member: Member, root: bytes, last: Any) -> Any:
    body = msgspec.msgpack.decode(signed, type=Signed).body
    return check_head(signed, member, msgspec.msgpack.decode(body)["root"], last)


def any_order(signed: bytes, member: Member, root: bytes, last: Any) -> Any:
    return check_head(signed, member, root, None)


def last_first(exports: Any) -> Any:
    return merge(exports[::-1])


CONTROLS: dict[str, tuple[Callable[[], bool], str, object]] = {
    "C1 the dialler's exact pin": (
        another_controllers_certificate_is_spoken_to, "federation.link.dial.check_peer", nothing),
    "C1 an anchor's name constraints": (
        a_forged_name_passes_the_chain, "federation.trust.anchor.constraints_for", permits_all),
    "C2 the check of a joiner's anchor": (
        a_loose_anchor_is_admitted, "federation.registrar.admit.check_anchor", nothing),
    "C2 the proof of possession of an anchor": (
        anothers_anchor_is_rotated_without_its_key, "federation.registrar.rotate._check_proof", nothing),
    "C3 ranges do not overlap": (
        a_taken_range_is_admitted, "federation.registrar.admit.first_overlap", nothing),
    "C3 a gateway lies in its member's overlay": (
        anothers_overlay_is_claimed, "federation.sync.gateways.inside", yes),
    "C3 the proof of possession of a WireGuard key": (
        anothers_wireguard_key_is_claimed, "federation.sync.gateways.proves", yes),
    "C3 the agents' own table of owners": (
        two_members_have_one_prefix, "gateways.peers.first_overlap", nothing),
    "C4 an endpoint lies in its member's ranges": (
        an_endpoint_of_others_is_listed, "federation.sync.rules._check_address", nothing),
    "C4 addresses that are never an endpoint": (
        a_gateway_at_loopback_is_listed, "federation.sync.gateways.forbidden_address", nothing),
    "C4 a link leads to its member": (
        a_gateway_among_our_pods_is_listed, "federation.sync.gateways._led_astray", nothing),
    "C5 granted namespaces": (
        a_namespace_is_exported_from_ungranted, "federation.sync.rules._check_service", nothing),
    "C5 granted zones": (
        a_name_is_defined_in_anothers_zone, "federation.sync.rules.zone_of", yes),
    "C6 the elder's export comes first": (
        a_later_member_sets_the_port, "federation.plan.service.merge", last_first),
    "C7 a record bears its owner's signature": (
        anothers_record_is_written, "federation.sync.rules.verified", yes),
    "C7 the ledger bears the federation's signature": (
        the_ledger_is_written, "federation.registrar.ledger.verified", yes),
    "C8 a head is for one root": (
        the_owners_head_carries_other_content, "federation.sync.held.check_head", any_root),
    "C8 carriers take turns": (
        one_that_withholds_is_asked_for_ever, "federation.sync.relay.TURN", 1e9),
    "C9 heads are ordered": (
        an_older_record_is_taken, "federation.sync.held.check_head", any_order),
    "C10 quotas": (
        a_record_beyond_its_quota_is_taken, "federation.sync.held.check_quota", nothing),
    "C10 the size of a resource": (
        a_resource_beyond_its_size_is_taken, "federation.sync.held.check_size", nothing),
    "C10 the labels of a member": (
        labels_without_end_are_in_each_import, "federation.sync.rules.check_about", nothing),
    "C10 the endpoints of a slice": (
        an_endless_slice_is_taken, "federation.sync.rules.SLICE_ENDPOINTS_MAX", 2**40),
    "C10 refused resources": (
        refused_resources_are_kept_without_end, "federation.sync.held.REFUSALS_MAX", 2**40),
    "C10 topics of a session": (
        topics_are_opened_without_end, "federation.session.session.TOPICS_MAX", 2**40),
    "C10 changes a second": (
        changes_are_read_without_end, "federation.session.pace.Pace.spend", lambda *_: 0.0),
    "C10 the length of a message": (
        a_message_without_end_is_gathered, "federation.link.dial.MESSAGE_MAX", 2**40),
}  # fmt: skip


def succeeds(attack: Callable[[], bool]) -> bool:
    with suppress(IsthmusError):
        return attack()
    return False


@pytest.mark.parametrize("control", CONTROLS)
def test_the_attack_fails_with_the_control_and_succeeds_without(control: str, monkeypatch: pytest.MonkeyPatch) -> None:
    attack, where, instead = CONTROLS[control]
    assert not succeeds(attack)
    monkeypatch.setattr(where, instead)
    assert succeeds(attack)


def test_every_number_has_a_row() -> None:
    assert {control.split()[0] for control in CONTROLS} == {f"C{number}" for number in range(1, 11)}

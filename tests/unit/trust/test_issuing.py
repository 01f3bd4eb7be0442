"""Who gets which certificate: the signer's policy, the controller's policy, and the exact refusals."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from federation.link.leaf import leaf_of, new_key, signing_request
from federation.link.tls import identity_of
from federation.model.errors import InputError, Refused, Unavailable
from federation.model.handout import UnixUser, Workload
from federation.model.spiffe import SpiffeId, account, agent_id, gateway_id, parse_spiffe, xds_id
from federation.trust.anchor import check_anchor, make_anchor
from federation.trust.issue import LEAF_LIFE, sign_leaf
from federation.trust.policy import allowed_identities, check_request
from federation.trust.signer import Signer, ask_signer
from tests.worlds.acme import NOW
from tests.worlds.odd_certificates import P256, UNKNOWN_KIND
from tests.worlds.signer import slots_of

EAST = "us-east.acme.mesh"
WEB = account(EAST, "shop", "web")


@pytest.fixture(scope="module")
def anchor() -> tuple[str, str]:
    return make_anchor(EAST, NOW)


def test_a_leaf_has_the_form_of_an_x509_svid(anchor: tuple[str, str]) -> None:
    leaf = x509.load_pem_x509_certificate(sign_leaf(*anchor, signing_request(new_key(), WEB), EAST, NOW).encode())
    found = {e.oid: e for e in leaf.extensions}
    assert identity_of(leaf) == WEB
    assert found[x509.SubjectAlternativeName.oid].critical
    assert found[x509.KeyUsage.oid].critical
    assert found[x509.KeyUsage.oid].value.digital_signature
    assert not found[x509.BasicConstraints.oid].value.ca
    assert len(leaf.subject) == 0
    assert leaf.not_valid_after_utc == NOW + LEAF_LIFE


def request_with(*uris: str, key: object = None) -> bytes:
    key = key or ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in uris])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(names, critical=True)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.DER)  # type: ignore[arg-type]


def with_dns_name() -> bytes:
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(str(WEB)), x509.DNSName("shop.example")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(names, critical=True)
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(
        serialization.Encoding.DER
    )


def unproven() -> bytes:
    """Another's public key under our own signature."""
    good = bytearray(request_with(str(WEB)))
    good[-1] ^= 1
    return bytes(good)


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "another member": (
        lambda: request_with("spiffe://eu-central.acme.mesh/ns/shop/sa/web"),
        "E105 signing request for spiffe://eu-central.acme.mesh/ns/shop/sa/web: this signer issues only for us-east.acme.mesh",
    ),
    "upper-case host": (
        lambda: request_with("spiffe://US-EAST.acme.mesh/ns/shop/sa/web"),
        'E105 signing request: "spiffe://US-EAST.acme.mesh/ns/shop/sa/web" is not a SPIFFE ID',
    ),
    "host with port": (
        lambda: request_with("spiffe://us-east.acme.mesh:8443/ns/shop/sa/web"),
        'E105 signing request: "spiffe://us-east.acme.mesh:8443/ns/shop/sa/web" is not a SPIFFE ID',
    ),
    "two names": (
        lambda: request_with(str(WEB), str(WEB)),
        "E105 signing request carries 2 names, must be one SPIFFE ID",
    ),
    "a DNS name beside": (with_dns_name, "E105 signing request carries 2 names, must be one SPIFFE ID"),
    "another path": (
        lambda: request_with("spiffe://us-east.acme.mesh/admin"),
        "E105 signing request for spiffe://us-east.acme.mesh/admin: the path must be /ns/NAMESPACE/sa/ACCOUNT",
    ),
    "another kind of key": (
        lambda: request_with(str(WEB), key=ed25519.Ed25519PrivateKey.generate()),
        "E105 signing request carries a key that is not P-256",
    ),
    "another curve": (
        lambda: request_with(str(WEB), key=ec.generate_private_key(ec.SECP384R1())),
        "E105 signing request carries a key that is not P-256",
    ),
    "a kind of key that nobody knows": (
        lambda: request_with(str(WEB)).replace(P256, UNKNOWN_KIND),
        "E105 signing request cannot be read: Unknown key type: 1.2.840.10045.2.9",
    ),
    "key not possessed": (unproven, "E105 signing request does not prove possession of its key"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_the_signer_refuses(anchor: tuple[str, str], case: str) -> None:
    make, text = REFUSED[case]
    with pytest.raises(Refused) as caught:
        sign_leaf(*anchor, make(), EAST, NOW)
    assert str(caught.value) == text


BAD_IDS = [
    "", "spiffe://", "spiffe://a", "spiffe://a/", "spiffe:///x", "http://a/x", "spiffe://A.b/x", "spiffe://a.b:1/x",
    "spiffe://u@a.b/x", "spiffe://a.b/x?q", "spiffe://a.b/x#f", "spiffe://a.b//x", "spiffe://a.b/x/", "spiffe://a.b/../x",
    "spiffe://a.b/./x", "spiffe://a..b/x", "spiffe://a.b/%41", "spiffe://a.b/x y", "SPIFFE://a.b/x", "spiffe://a.b./x",
    "spiffe://a.b/" + "x" * 2048, "spiffe://ä.b/x", "spiffe://a.b/x\x00", " spiffe://a.b/x",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD_IDS)
def test_what_is_not_a_spiffe_id_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="E105"):
        parse_spiffe(text)


def test_a_spiffe_id_survives_its_text() -> None:
    assert parse_spiffe(str(WEB)) == WEB


SHOP = (Workload("shop", "client", ("10.1.2.10",)), Workload("shop", "robot", uids=(UnixUser(1000),)))
CLIENT = account(EAST, "shop", "client")
MAY: dict[str, tuple[str, SpiffeId, bool]] = {
    "an agent itself": ("gateway", agent_id(EAST, "n1"), True),
    "another agent": ("node", agent_id(EAST, "n2"), False),
    "a gateway the gateway": ("gateway", gateway_id(EAST), True),
    "a node the gateway": ("node", gateway_id(EAST), False),
    "a node its workload": ("node", CLIENT, True),
    "a node its workload that is known by user": ("node", account(EAST, "shop", "robot"), True),
    "a gateway a workload that is known by user": ("gateway", account(EAST, "shop", "robot"), False),
    "a gateway a workload": ("gateway", CLIENT, False),
    "a node another's workload": ("node", account(EAST, "shop", "pay"), False),
    "a node the controller": ("node", account(EAST, "isthmus", "controller"), False),
    "a DNS server a workload": ("dns", CLIENT, False),
    "a central xDS port its own": ("xds", xds_id(EAST), True),
    "a central xDS port a workload": ("xds", CLIENT, False),
    "a central xDS port the gateway": ("xds", gateway_id(EAST), False),
    "a node the central xDS port": ("node", xds_id(EAST), False),
}


@pytest.mark.parametrize("case", MAY)
def test_an_agent_gets_what_its_enrolment_says_and_nothing_else(case: str) -> None:
    role, wanted, may = MAY[case]
    allowed = allowed_identities(EAST, "n1", role, SHOP)  # type: ignore[arg-type]
    if may:
        check_request(agent_id(EAST, "n1"), wanted, allowed)
        return
    with pytest.raises(Refused) as caught:
        check_request(agent_id(EAST, "n1"), wanted, allowed)
    assert str(caught.value) == f"E105 spiffe://us-east.acme.mesh/ns/isthmus/sa/agent-n1 may not be issued {wanted}"


def test_no_workload_registration_gives_one_of_our_own_identities() -> None:
    ours = (Workload("isthmus", "controller", ("10.1.2.10",)), Workload("isthmus", "gateway", ("10.1.2.11",)))
    assert allowed_identities(EAST, "n1", "node", ours) == {agent_id(EAST, "n1")}


def test_an_anchor_without_its_constraints_is_refused(anchor: tuple[str, str]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "plain")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + LEAF_LIFE)
        .add_extension(x509.BasicConstraints(True, 0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(Refused) as caught:
        check_anchor(pem, EAST, "us-east", NOW)
    assert str(caught.value) == (
        "E107 CA certificate of member us-east lacks critical name constraints (URI permitted: us-east.acme.mesh)"
    )
    with pytest.raises(Refused, match="E107 anchor of member us-east holds 2 certificates, must be 1"):
        check_anchor(anchor[1] * 2, EAST, "us-east", NOW)
    check_anchor(anchor[1], EAST, "us-east", NOW)


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root may name a group that it is not of")
def test_the_socket_is_also_for_one_group_when_told_so(anchor: tuple[str, str], tmp_path: Path) -> None:
    socket = tmp_path / "signer.sock"

    async def main() -> None:
        signer = Signer(slots_of(tmp_path, anchor), tmp_path / "jwt.json")
        task = asyncio.create_task(signer.serve(socket, 10_000))
        async with asyncio.timeout(5):
            await signer.listening.wait()
        found = socket.stat()
        assert (found.st_mode & 0o777, found.st_gid) == (0o660, 10_000)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())


def test_the_signer_process_signs_refuses_and_is_alone_on_its_socket(anchor: tuple[str, str], tmp_path: Path) -> None:
    socket = tmp_path / "signer.sock"

    async def main() -> None:
        slots = slots_of(tmp_path, anchor)
        signer = Signer(slots, tmp_path / "jwt.json")
        task = asyncio.create_task(signer.serve(socket))
        async with asyncio.timeout(5):
            await signer.listening.wait()
        key = new_key()
        leaf = leaf_of(WEB, key, await ask_signer(socket, signing_request(key, WEB)))
        assert leaf.id == str(WEB)
        assert socket.stat().st_mode & 0o777 == 0o600
        with pytest.raises(Refused, match="E105 signing request cannot be read"):
            await ask_signer(socket, b"garbage")
        with pytest.raises(InputError, match="another signer is running on this state folder; stop it first"):
            await Signer(slots, tmp_path / "jwt.json").serve(socket)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with pytest.raises(Unavailable, match="does not answer"):
            await ask_signer(tmp_path / "none.sock", b"")

    asyncio.run(main())

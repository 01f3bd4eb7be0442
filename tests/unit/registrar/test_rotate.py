"""What the registrar grants of a member's wish about its anchors, and what it refuses with which words."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import structs

from federation.model.errors import IsthmusError
from federation.model.ledger import Ledger, Member
from federation.model.names import MemberName
from federation.model.record import Rotation
from federation.registrar.ledger import append, read_ledger
from federation.registrar.rotate import rotated
from federation.trust.anchor import make_anchor
from federation.trust.slots import Slot, _signed, proof_text
from tests.worlds.acme import DOMAIN, NOW, Acme

EAST = f"us-east.{DOMAIN}"
ACME = Acme()
OLD = Slot(ACME.keys["us-east"].anchor_key, ACME.keys["us-east"].anchor)
NEW, OTHER = (Slot(*make_anchor(EAST, NOW)) for _ in range(2))
FOREIGN = Slot(*make_anchor(f"eu-central.{DOMAIN}", NOW))


def wish(anchor: Slot, following: Slot | None, by: Slot = OLD, by_next: Slot = NEW) -> Rotation:
    text = proof_text(EAST, anchor.anchor, following.anchor if following else "")
    return Rotation(
        anchor=anchor.anchor,
        next_anchor=following.anchor if following else "",
        by_anchor=_signed(by, text),
        by_next=_signed(by_next, text),
    )


def ledger(**fields: str) -> Ledger:
    """The ledger in which us-east has these fields."""
    found = ACME.ledger
    member = structs.replace(found.members[MemberName("us-east")], **fields)
    return structs.replace(found, members=found.members | {member.name: member})


ONE, BOTH = ledger(), ledger(next_anchor=NEW.anchor)
GRANTED: dict[str, tuple[Ledger, Rotation, tuple[str, str]]] = {
    "a second anchor": (ONE, wish(OLD, NEW), (OLD.anchor, NEW.anchor)),
    "the new one alone": (BOTH, wish(NEW, None), (NEW.anchor, "")),
    "back to the old one": (BOTH, structs.replace(wish(OLD, None), by_next=b""), (OLD.anchor, "")),
}


@pytest.mark.parametrize("case", GRANTED)
def test_the_three_steps_are_granted(case: str) -> None:
    held, asked, anchors = GRANTED[case]
    made = rotated(held, "us-east", asked, NOW)
    assert (made.anchor, made.next_anchor) == anchors
    assert structs.replace(made, anchor=OLD.anchor, next_anchor="") == ACME.member("us-east")


def unlike(**wrong: object) -> str:
    """An anchor that differs in one thing from what is needed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "plain")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(True, 0), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def renamed() -> Slot:
    """An anchor that is right but for the subject: it is that of the old one."""
    key = serialization.load_pem_private_key(NEW.key.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    model, subject = (x509.load_pem_x509_certificate(one.anchor.encode()) for one in (NEW, OLD))
    builder = x509.CertificateBuilder().subject_name(subject.subject).issuer_name(subject.subject)
    builder = builder.public_key(key.public_key()).serial_number(7)
    builder = builder.not_valid_before(model.not_valid_before_utc).not_valid_after(model.not_valid_after_utc)
    for extension in model.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    return Slot(NEW.key, builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode())


SAME_NAME = renamed()
STEP = 'anchors of member "us-east": one may become two, and two become one of them; this is no such step'
LATER = NOW + timedelta(days=4000)
UNLIKE = Slot(NEW.key, unlike())
REFUSED: dict[str, tuple[Callable[[], Member], str]] = {
    "nothing new": (lambda: ask(ONE, wish(OLD, None)), 'E125 member "us-east" has these anchors already: nothing to change'),
    "nobody": (lambda: rotated(ONE, "ap", wish(OLD, NEW), NOW), 'E102 member "ap" is not active in the ledger: its anchors are not changed'),
    "revoked": (
        lambda: ask(ledger(state="revoked"), wish(OLD, NEW)),
        'E102 member "us-east" is not active in the ledger: its anchors are not changed',
    ),
    "another at once": (lambda: ask(ONE, wish(NEW, None)), f"E102 {STEP}"),
    "a third": (lambda: ask(BOTH, wish(OLD, OTHER)), f"E102 {STEP}"),
    "two others": (lambda: ask(ONE, wish(NEW, OTHER)), f"E102 {STEP}"),
    "swapped": (lambda: ask(BOTH, wish(NEW, OLD)), f"E102 {STEP}"),
    "without the old key": (
        lambda: ask(ONE, wish(OLD, NEW, by=OTHER)),
        'E105 rotation of member "us-east" does not prove possession of the anchor that the ledger has',
    ),
    "without the new key": (
        lambda: ask(ONE, wish(OLD, NEW, by_next=OTHER)),
        'E105 rotation of member "us-east" does not prove possession of its new anchor',
    ),
    "the new one alone, without its key": (
        lambda: ask(BOTH, wish(NEW, None, by_next=OTHER)),
        'E105 rotation of member "us-east" does not prove possession of its new anchor',
    ),
    "the new one alone, without the old key": (
        lambda: ask(BOTH, wish(NEW, None, by=NEW)),
        'E105 rotation of member "us-east" does not prove possession of the anchor that the ledger has',
    ),
    "back, without the old key": (
        lambda: ask(BOTH, wish(OLD, None, by=NEW)),
        'E105 rotation of member "us-east" does not prove possession of the anchor that the ledger has',
    ),
    "proofs for another wish": (
        lambda: ask(BOTH, structs.replace(wish(OLD, NEW), anchor=NEW.anchor, next_anchor="")),
        'E105 rotation of member "us-east" does not prove possession of the anchor that the ledger has',
    ),
    "for another trust domain": (
        lambda: ask(ONE, wish(OLD, FOREIGN, by_next=FOREIGN)),
        "E107 CA certificate of member us-east lacks critical name constraints (URI permitted: us-east.acme.mesh)",
    ),
    "without constraints": (
        lambda: ask(ONE, wish(OLD, UNLIKE)),
        "E107 CA certificate of member us-east lacks critical name constraints (URI permitted: us-east.acme.mesh)",
    ),
    "two in one": (
        lambda: ask(ONE, wish(OLD, Slot(NEW.key, NEW.anchor + OTHER.anchor))),
        "E107 anchor of member us-east holds 2 certificates, must be 1",
    ),
    "too long": (
        lambda: ask(ONE, wish(OLD, Slot(NEW.key, f"{NEW.anchor}{' ' * 2048}"))),
        f"E117 anchor of member us-east has {len(NEW.anchor) + 2048} bytes > 2048",
    ),
    "the old one's subject": (
        lambda: ask(ONE, wish(OLD, SAME_NAME)),
        'E107 new anchor of member "us-east" has the subject, key id or public key of one of member "us-east"',
    ),
    "the old one again": (
        lambda: ask(ONE, wish(OLD, OLD, by_next=OLD)),
        'E107 new anchor of member "us-east" has the subject, key id or public key of one of member "us-east"',
    ),
    "out of date": (
        lambda: ask(ONE, wish(OLD, NEW), LATER),
        "E108 CA certificate of member us-east is valid from 2026-11-21T11:55Z to 2036-11-18T12:00Z, "
        "local time 2037-11-03T12:00Z: clock skew suspected",
    ),
}  # fmt: skip


def ask(held: Ledger, asked: Rotation, now: datetime = NOW) -> Member:
    return rotated(held, "us-east", asked, now)


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_registrar_refuses(case: str) -> None:
    act, text = REFUSED[case]
    with pytest.raises(IsthmusError) as caught:
        act()
    assert str(caught.value) == text


def test_an_entry_of_before_rotations_is_still_read() -> None:
    acme = Acme()
    acme.signed = append(acme.signed, rotated_member(acme), DOMAIN, 1, acme.key)
    found = read_ledger(acme.signed, acme.fingerprint).members[MemberName("us-east")]
    assert found.trusted == found.anchor + NEW.anchor


def rotated_member(acme: Acme) -> Member:
    return structs.replace(acme.member("us-east"), next_anchor=NEW.anchor)

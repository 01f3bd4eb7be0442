"""A founded federation `acme.mesh` with the members us-east (1) and eu-central (2), and every key of both."""

from datetime import UTC, datetime

import msgspec

from federation.model.ledger import Ledger, Member
from federation.model.names import MemberName
from federation.model.record import Head, Resource, key_of
from federation.model.spiffe import trust_domain
from federation.registrar.admit import Applicant, admit, found_member, make_request, read_request
from federation.registrar.ledger import SignedLedger, append, read_ledger
from federation.registrar.signing import LEDGER, RECORD, REQUEST, SigningKey, fingerprint, new_signing_key
from federation.session.tree import Tree, tree_of
from federation.trust.anchor import make_anchor
from federation.wire.keyed import encode

DOMAIN = "acme.mesh"
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
CIDRS = {"us-east": "10.1.0.0/16", "eu-central": "10.2.0.0/16"}


class Keys:
    """One member's private keys and what it would ask the registrar for."""

    def __init__(self, name: str, cidr: str, domain: str = DOMAIN, now: datetime = NOW) -> None:
        self.name = MemberName(name)
        self.record_pem = new_signing_key()
        self.anchor_key, self.anchor = make_anchor(trust_domain(name, domain), now)
        self.record = SigningKey(self.record_pem, RECORD)
        self.applicant = Applicant(
            domain=domain,
            name=name,
            region=name,
            anchor=self.anchor,
            record_key=self.record.public,
            reachable=(cidr,),
            sync=("192.0.2.9:7443",),
        )

    def request(self) -> bytes:
        return make_request(self.applicant, SigningKey(self.record_pem, REQUEST), self.anchor_key)

    def head(self, tree: Tree, generation: int, epoch: int = 1, member: str = "") -> bytes:
        """A signed head over this content, encoded."""
        name = MemberName(member or self.name)
        body = msgspec.msgpack.encode(Head(member=name, epoch=epoch, generation=generation, root=tree.root))
        return msgspec.msgpack.encode(self.record.sign(body))


def content(*resources: Resource) -> Tree:
    """A record's tree."""
    return tree_of({key_of(item): encode(item) for item in resources})


class Acme:
    """The federation, its signed ledger, and both members' keys."""

    def __init__(self) -> None:
        self.key_pem = new_signing_key()
        self.key = SigningKey(self.key_pem, LEDGER)
        self.fingerprint = fingerprint(self.key.public)
        self.keys = {name: Keys(name, cidr) for name, cidr in CIDRS.items()}
        first = found_member(DOMAIN, self.keys["us-east"].applicant, 1, NOW, None)
        self.signed = append(SignedLedger(self.key.public), first, DOMAIN, 1, self.key)
        self.admit(self.keys["eu-central"])

    @property
    def ledger(self) -> Ledger:
        return read_ledger(self.signed, self.fingerprint)

    def member(self, name: str) -> Member:
        return self.ledger.members[MemberName(name)]

    def admit(self, keys: Keys) -> Member:
        member = admit(self.ledger, read_request(keys.request()), NOW)
        self.signed = append(self.signed, member, DOMAIN, 1, self.key)
        return member

"""The ledger as signed bytes: read to its end, and appended to by the registrar."""

from collections.abc import Iterable, Mapping
from hashlib import sha256

import msgspec
from msgspec import Struct

from federation.model.errors import Refused
from federation.model.ledger import Entry, Had, Ledger, Member, Settings
from federation.model.names import MemberName
from federation.model.record import Signed
from federation.registrar.signing import LEDGER, SigningKey, fingerprint, verified

_encoder = msgspec.msgpack.Encoder()
_entry_decoder = msgspec.msgpack.Decoder(Entry)


class SignedLedger(Struct, frozen=True):
    """The federation's public key and every entry as it was signed, oldest first."""

    key: bytes
    entries: tuple[Signed, ...] = ()


_ledger_decoder = msgspec.msgpack.Decoder(SignedLedger)


def encode_ledger(ledger: SignedLedger) -> bytes:
    """The bytes of a ledger file."""
    return _encoder.encode(ledger)


def decode_ledger(data: bytes) -> SignedLedger:
    """The ledger in these bytes. Refused (E120) when they are none; nothing is verified yet."""
    try:
        return _ledger_decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise Refused(f"ledger ({len(data)} bytes) cannot be read: {error}", "E120") from None


def read_ledger(signed: SignedLedger, federation: str) -> Ledger:
    """Verify every entry and fold them. Refused when the key is not the federation's or the chain is broken."""
    if fingerprint(signed.key) != federation:
        raise Refused(
            f"ledger is signed by {fingerprint(signed.key)[:19]}…, not by this federation's key {federation[:19]}…",
            "E105",
        )
    if not signed.entries:
        raise Refused("ledger is empty", "E120")
    return read_on(Ledger("", 0, 0, {}), SignedLedger(signed.key), signed.entries)


def ledger_in(data: bytes, federation: str) -> Ledger:
    """What the ledger in these bytes says. Refused as `decode_ledger` and `read_ledger`."""
    return read_ledger(decode_ledger(data), federation)


def read_on(ledger: Ledger, signed: SignedLedger, more: Iterable[Signed]) -> Ledger:
    """What the ledger says after these further entries; the cost is theirs. Refused when one does not continue it."""
    members, had = dict(ledger.members), dict(ledger.had)
    domain, term, index, registrar = ledger.domain, ledger.term, ledger.index, ledger.registrar
    settings = ledger.settings
    previous = sha256(signed.entries[-1].body).digest() if signed.entries else b""
    for index, item in enumerate(more, start=ledger.index + 1):
        entry = _verified_entry(item, signed.key, index)
        if entry.previous != previous or entry.term < term or entry.domain != (domain or entry.domain):
            raise Refused(f"ledger entry {index} does not continue the one before it", "E109")
        name = entry.member.name
        members[name], had[name] = entry.member, had.get(name, Had()).also(entry.member)
        registrar = _registrar(entry, term, registrar, members)
        settings = entry.settings or settings
        previous, term, domain = sha256(item.body).digest(), entry.term, entry.domain
    return Ledger(domain, term, index, members, registrar, had, settings)


def _registrar(entry: Entry, term: int, registrar: str, members: Mapping[MemberName, Member]) -> str:
    """Who appends from this entry on: whom a new term names. The founder is the first."""
    if not registrar:
        return entry.member.name
    named = members.get(MemberName(entry.registrar))
    if (entry.term > term) != (named is not None and named.state == "active"):
        raise Refused(
            f"ledger entry {entry.index} of term {entry.term} names the registrar {entry.registrar[:63]!r}; "
            "a new term, and no other entry, names one that is active",
            "E109",
        )
    return entry.registrar or registrar


def next_entry(
    signed: SignedLedger,
    member: Member,
    domain: str,
    term: int,
    registrar: str = "",
    settings: Settings | None = None,
) -> bytes:
    """The bytes of the entry about this member that comes next, to be signed; `registrar` and `settings` as in
    `Entry`.
    """
    previous = sha256(signed.entries[-1].body).digest() if signed.entries else b""
    return _encoder.encode(
        Entry(
            index=len(signed.entries) + 1,
            term=term,
            domain=domain,
            previous=previous,
            member=member,
            registrar=registrar,
            settings=settings,
        )
    )


def append(signed: SignedLedger, member: Member, domain: str, term: int, key: SigningKey) -> SignedLedger:
    """The ledger with one more entry about this member."""
    return with_entry(signed, key.sign(next_entry(signed, member, domain, term)))


def with_entry(signed: SignedLedger, entry: Signed) -> SignedLedger:
    """The ledger with one more entry; nothing is verified."""
    return SignedLedger(signed.key, (*signed.entries, entry))


def read_entry(body: bytes) -> Entry:
    """The entry in these bytes. Refused (E120) when they are none."""
    try:
        return _entry_decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise Refused(f"ledger entry ({len(body)} bytes) cannot be read: {error}", "E120") from None


def _verified_entry(item: Signed, key: bytes, index: int) -> Entry:
    if not verified(item, key, LEDGER):
        raise Refused(f"ledger entry {index}: the signature is not the federation's", "E105")
    try:
        entry = _entry_decoder.decode(item.body)
    except msgspec.MsgspecError as error:
        raise Refused(f"ledger entry {index}: {error}", "E120") from None
    if entry.index != index:
        raise Refused(f"ledger entry {index} bears the index {entry.index}", "E109")
    return entry

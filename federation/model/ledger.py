"""The ledger: the signed, ordered list of members (design section 4)."""

from ipaddress import ip_network
from typing import Literal

from msgspec import Struct

from federation.model.cidr import Network
from federation.model.moves import Leaving, Shift
from federation.model.names import MemberName
from federation.model.spiffe import trust_domain
from federation.model.wish import Wish

FORMER = {"left": "has left", "revoked": "is revoked"}
"""How a member is that is none any more."""


class Quota(Struct, frozen=True):
    """What one member may place on the others; more is refused (design section 5).

    `bytes` is the size of its whole record in memory: keys, values, and 256 for each key.
    `probes_per_second` is how often the probes of all its public names may ask each DNS server to probe one target.
    `rates` counts the services that it says demand of, those that it grants room of, and its shifts.
    """

    services: int = 5_000
    ports: int = 6_000
    endpoints: int = 100_000
    gateways: int = 64
    names: int = 1_000
    probes_per_second: int = 200
    evidence: int = 2_000
    rates: int = 10_000
    bytes: int = 64 * 1024 * 1024
    changes_per_second: int = 50


class Member(Struct, frozen=True, kw_only=True):
    """One admitted member, as the registrar wrote it.

    `anchor` is the PEM of its self-constrained CA, `next_anchor` that of the one that follows while it is rotated (else
    ""); `record_key` the raw Ed25519 public key that signs its record;
    `overlay` its IPv6 prefix on the WireGuard links; `sync` the `ip:port` of its controllers; `dns_zones` the public
    zones that it may define names in and serve; `ingress` its public addresses, `nameservers` those of its DNS servers.
    """

    name: MemberName
    number: int
    region: str
    anchor: str
    next_anchor: str = ""
    record_key: bytes
    overlay: str
    reachable: tuple[str, ...] = ()
    local: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ("*",)
    dns_zones: tuple[str, ...] = ()
    ingress: tuple[str, ...] = ()
    nameservers: tuple[str, ...] = ()
    sync: tuple[str, ...] = ()
    quota: Quota = Quota()
    state: Literal["active", "left", "revoked"] = "active"

    @property
    def trusted(self) -> str:
        """Every anchor (PEM) that a certificate of this member may be signed by now."""
        return self.anchor + self.next_anchor

    def owned(self) -> tuple[Network, ...]:
        """The ranges in which this member's endpoints may lie: its CIDRs and its overlay prefix."""
        return tuple(ip_network(text) for text in (*self.reachable, *self.local, self.overlay))

    def granted(self, namespace: str) -> bool:
        """True when the member may export from this namespace."""
        return "*" in self.namespaces or namespace in self.namespaces


class Settings(Struct, frozen=True, kw_only=True):
    """What the federation asks of steering for all members: its `policy`, who is drained for everyone, and the shifts
    that are in force for everyone.
    """

    policy: Wish = Wish()
    drains: dict[MemberName, Leaving] = {}
    shifts: tuple[Shift, ...] = ()


class Entry(Struct, frozen=True, kw_only=True):
    """One appended line of the ledger. `previous` is the SHA-256 of the signed entry before it.

    `registrar` is set by the entry that begins a term: the member that may append from then on. An entry with
    `settings` replaces all of them; its `member` is the registrar's as it stands, so that a reader who does not know
    settings reads nothing new.
    """

    index: int
    term: int
    domain: str
    previous: bytes
    member: Member
    registrar: str = ""
    settings: Settings | None = None


MARK_BITS = 32


def holds(ack: int, entry: int, ours: int) -> bool:
    """True when a ledger with the mark `ack` has the entry with the mark `entry`, which ours has.

    A ledger of a later term than ours may have overruled it; one of an earlier term has not got it.
    """
    low = (1 << MARK_BITS) - 1
    return ack & low >= entry & low and entry >> MARK_BITS <= ack >> MARK_BITS <= ours >> MARK_BITS


class Had(Struct, frozen=True):
    """Every anchor (PEM) and record key (raw) that the entries of one name ever had."""

    anchors: frozenset[str] = frozenset()
    record_keys: frozenset[bytes] = frozenset()

    def also(self, member: Member) -> "Had":
        """With those of one more entry."""
        anchors = {one for one in (member.anchor, member.next_anchor) if one}
        return Had(self.anchors | anchors, self.record_keys | {member.record_key})


class Ledger(Struct, frozen=True):
    """The ledger read to its end: the last word on each member, by name. `registrar` may append in this term; `had` is
    what a name may not come back with. `settings` are those of the last entry that has any.
    """

    domain: str
    term: int
    index: int
    members: dict[MemberName, Member]
    registrar: str = ""
    had: dict[MemberName, Had] = {}
    settings: Settings = Settings()

    @property
    def mark(self) -> int:
        """How far this ledger is, as one number that only grows: the term above, the index in the lower MARK_BITS."""
        return self.term << MARK_BITS | self.index

    def active(self) -> tuple[Member, ...]:
        """Members that neither left nor are revoked, by number."""
        return tuple(sorted((m for m in self.members.values() if m.state == "active"), key=lambda m: m.number))

    def seen_from(self, own: MemberName) -> tuple[Member, ...]:
        """Whom this member works with, by number: the active ones, or itself alone where it is none of them."""
        reader = self.members[own]
        return self.active() if reader.state == "active" else (reader,)

    def trust_domain(self, member: MemberName) -> str:
        """The SPIFFE trust domain of a member of this federation."""
        return trust_domain(member, self.domain)

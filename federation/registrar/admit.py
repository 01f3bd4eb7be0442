"""Admission: a joiner's request, its proofs of possession, and the rules that it must pass."""

from datetime import datetime
from hashlib import sha256
from ipaddress import IPv6Network, ip_network

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct

from federation.model.cidr import (
    Network,
    first_overlap,
    forbidden_address,
    inside,
    is_canonical,
    overlaps,
    parse_cidr,
)
from federation.model.errors import InputError, Refused
from federation.model.ledger import FORMER, Ledger, Member
from federation.model.names import parse_domain, parse_label, parse_member
from federation.model.record import Signed
from federation.model.spiffe import trust_domain
from federation.registrar.signing import REQUEST, SigningKey, fingerprint, verified
from federation.trust.anchor import check_anchor


class Applicant(Struct, frozen=True, kw_only=True):
    """What a joiner asks for; fields as in `model.ledger.Member`. `domain` is the federation's."""

    domain: str
    name: str
    region: str
    anchor: str
    record_key: bytes
    reachable: tuple[str, ...]
    local: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ("*",)
    sync: tuple[str, ...]
    ingress: tuple[str, ...] = ()
    nameservers: tuple[str, ...] = ()


class JoinRequest(Struct, frozen=True):
    """The applicant's exact bytes, signed by its record key and by its anchor key: it holds both."""

    body: bytes
    by_record: bytes
    by_anchor: bytes


_encoder = msgspec.msgpack.Encoder()
_request_decoder = msgspec.msgpack.Decoder(JoinRequest)
_applicant_decoder = msgspec.msgpack.Decoder(Applicant)


def make_request(applicant: Applicant, record_key: SigningKey, anchor_key_pem: str) -> bytes:
    """The bytes of a join request."""
    body = _encoder.encode(applicant)
    anchor_key = serialization.load_pem_private_key(anchor_key_pem.encode(), None)
    assert isinstance(anchor_key, ec.EllipticCurvePrivateKey)
    by_anchor = anchor_key.sign(REQUEST + body, ec.ECDSA(hashes.SHA256()))
    return _encoder.encode(JoinRequest(body, record_key.sign(body).signature, by_anchor))


def read_request(data: bytes) -> Applicant:
    """The applicant, both proofs checked. Refused (E120, E105)."""
    try:
        request = _request_decoder.decode(data)
        applicant = _applicant_decoder.decode(request.body)
        anchor = x509.load_pem_x509_certificate(applicant.anchor.encode())
    except (msgspec.MsgspecError, ValueError) as error:
        raise Refused(f"join request ({len(data)} bytes) cannot be read: {error}", "E120") from None
    if not verified(Signed(request.body, request.by_record), applicant.record_key, REQUEST):
        raise Refused(f'join request of "{applicant.name}" does not prove possession of its record key', "E105")
    key = anchor.public_key()
    try:
        assert isinstance(key, ec.EllipticCurvePublicKey)
        key.verify(request.by_anchor, REQUEST + request.body, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, AssertionError):
        raise Refused(
            f'join request of "{applicant.name}" does not prove possession of its anchor key', "E105"
        ) from None
    return applicant


def admit(
    ledger: Ledger, applicant: Applicant, now: datetime, zones: tuple[str, ...] = (), rejoin: bool = False
) -> Member:
    """The member to append for this applicant, who may define and serve names in `zones`; with `rejoin` it may bear the
    name of one that is no longer active, with new keys and a new number. Refused or InputError when it breaks a rule
    (design section 4).
    """
    name = parse_member(applicant.name)
    if applicant.domain != ledger.domain:
        raise Refused(f'join request is for federation "{applicant.domain}", this one is "{ledger.domain}"', "E102")
    held = ledger.members.get(name)
    if held is not None:
        _check_rejoin(held, applicant, rejoin)
    number = max(m.number for m in ledger.members.values()) + 1
    return found_member(ledger.domain, applicant, number, now, ledger, zones)


def _check_rejoin(held: Member, applicant: Applicant, rejoin: bool) -> None:
    owner = fingerprint(held.anchor.encode())[:19]
    if held.state == "active":
        raise Refused(f'cluster "{held.name}" is already joined with CA {owner}…; choose another name', "E102")
    if not rejoin:
        raise Refused(
            f'cluster "{held.name}" was joined with CA {owner}… and {FORMER[held.state]}; choose another name, or '
            "let it in again with --rejoin",
            "E102",
        )
    if applicant.anchor == held.anchor or applicant.record_key == held.record_key:
        raise Refused(
            f'cluster "{held.name}" {FORMER[held.state]} and comes back with a key it had; make new ones', "E102"
        )


def found_member(
    domain: str,
    applicant: Applicant,
    number: int,
    now: datetime,
    ledger: Ledger | None,
    zones: tuple[str, ...] = (),
) -> Member:
    """The member with this number; used by `admit`, and for the first member, which finds no ledger yet."""
    name = parse_member(applicant.name)
    check_anchor(applicant.anchor, trust_domain(name, domain), name, now)
    reachable = tuple(parse_cidr(text, f'reachable CIDR of member "{name}"') for text in applicant.reachable)
    local = tuple(parse_cidr(text, f'local CIDR of member "{name}"') for text in applicant.local)
    _check_ranges(name, domain, reachable, local, ledger)
    check_public(name, applicant.ingress, applicant.nameservers, ledger)
    parse_label(applicant.region, f'region of member "{name}"')
    return Member(
        name=name,
        number=number,
        region=applicant.region,
        anchor=applicant.anchor,
        record_key=applicant.record_key,
        overlay=str(overlay_prefix(domain, number)),
        reachable=tuple(str(network) for network in reachable),
        local=tuple(str(network) for network in local),
        namespaces=applicant.namespaces,
        dns_zones=tuple(parse_domain(zone, "DNS zone") for zone in zones),
        ingress=applicant.ingress,
        nameservers=applicant.nameservers,
        sync=applicant.sync,
    )


def overlay_prefix(domain: str, number: int) -> IPv6Network:
    """The member's /64 on the WireGuard links: an RFC 4193 prefix from the federation's name, subnet = number."""
    if not 0 < number < 65536:
        raise InputError(f"member number {number}: must be 1 to 65535")
    site = b"\xfd" + sha256(b"isthmus overlay " + domain.encode()).digest()[:5]
    return IPv6Network((int.from_bytes(site + number.to_bytes(2, "big"), "big") << 64, 64))


def _check_ranges(
    name: str, domain: str, reachable: tuple[Network, ...], local: tuple[Network, ...], ledger: Ledger | None
) -> None:
    overlay = overlay_prefix(domain, 1).supernet(new_prefix=48)
    for network in (*reachable, *local):
        if overlaps(network, overlay):
            raise Refused(f'CIDR {network} of member "{name}" overlaps {overlay}, the federation\'s overlay', "E101")
    for index, network in enumerate(reachable):
        twice = first_overlap(network, reachable[:index])
        if twice is not None:
            raise Refused(
                f'reachable CIDR {network} of member "{name}" overlaps its own {twice}; give each once', "E101"
            )
    for owner in ledger.active() if ledger else ():
        owned = tuple(ip_network(text) for text in owner.reachable)
        for network in reachable:
            taken = first_overlap(network, owned)
            if taken is not None:
                raise Refused(
                    f'reachable CIDR {network} overlaps {taken} owned by member "{owner.name}"; '
                    "choose another or ask its owner to release it",
                    "E101",
                )


def check_public(name: str, ingress: tuple[str, ...], nameservers: tuple[str, ...], ledger: Ledger | None) -> None:
    """Public addresses are one member's alone and outside everybody else's ranges: whoever had another's would be
    handed its traffic, and DNS servers of all members would probe into its network. InputError, Refused.
    """
    for what, addresses in (("ingress", ingress), ("nameserver", nameservers)):
        for address in addresses:
            where = f'{what} "{address}" of member "{name}"'
            why = forbidden_address(address) or (None if is_canonical(address) else "is not in its usual spelling")
            if why is not None:
                raise InputError(f"{where}: {why}; give a public IP address", "E103")
            for owner in ledger.active() if ledger else ():
                if address in (*owner.ingress, *owner.nameservers) or inside(address, owner.owned()):
                    raise Refused(f'{where} belongs to member "{owner.name}"', "E101")

"""What the Workload API answers a user of this node, and when it refuses. Pure but for the clock given in."""

from collections.abc import Mapping
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msgspec import Struct, json

from federation.link.jwks import jwk_set
from federation.model.errors import Refused, Unavailable
from federation.model.handout import ForeignBundle
from federation.model.spiffe import SpiffeId
from federation.model.tokens import Authorities
from gateways.identity.messages import (
    Invalid,
    Svid,
    Validation,
    bundles_message,
    jwt_bundles_message,
    svids_message,
    validation_message,
)
from gateways.identity.registered import Caller, identities_of
from gateways.identity.validate import validated
from gateways.render.envoy.resources import Certificate
from gateways.state import Anchor, Registered


class Book(Struct, frozen=True):
    """Everything that answers are made of. `anchors`: the own one first; `known` is False before the first handout;
    `attests`: every pod is somebody, without a registration.
    """

    known: bool = False
    registered: tuple[Registered, ...] = ()
    anchors: tuple[Anchor, ...] = ()
    certificates: Mapping[str, Certificate] = {}
    authorities: tuple[Authorities, ...] = ()
    foreign: tuple[ForeignBundle, ...] = ()
    attests: bool = False


def svids_for(book: Book, caller: Caller, now: datetime) -> bytes:
    """The full X509SVIDResponse for this user: other members' bundles stand beside the own one, never in it.

    Refused (E105) when it is nobody; Unavailable when none of its certificates is at hand and in date.
    """
    found = [_svid(book, identity, now) for identity in entitled(book, caller)]
    svids = [svid for svid in found if svid is not None]
    if not svids:
        raise Unavailable(
            f"no certificate for uid {caller.user.uid} is at hand: no controller has issued it yet, or it ran out"
        )
    own = _trust_domain_id(book.anchors[0])
    return svids_message(svids, {name: bundle for name, bundle in _bundles(book).items() if name != own})


def bundles_for(book: Book, caller: Caller, now: datetime) -> bytes:
    """The full X509BundlesResponse: one bundle a member. Refused (E105) when this user is nobody."""
    entitled(book, caller)
    return bundles_message(_bundles(book))


def jwt_bundles_for(book: Book, caller: Caller, now: datetime) -> bytes:
    """The full JWTBundlesResponse: a JWK set for each trust domain with keys. Refused (E105) for nobody."""
    entitled(book, caller)
    sets = {f"spiffe://{one.trust_domain}": json.encode(jwk_set(one.keys)) for one in book.authorities if one.keys}
    return jwt_bundles_message(sets)


def subjects_of(book: Book, caller: Caller, spiffe_id: str) -> tuple[SpiffeId, ...]:
    """The identities that a token is asked for: this one, or with "" all. Refused (E105) when it is not this user's."""
    identities = entitled(book, caller)
    if not spiffe_id:
        return identities
    found = tuple(identity for identity in identities if str(identity) == spiffe_id)
    if not found:
        raise Refused(f"uid {caller.user.uid}, gid {caller.user.gid} may not act as {spiffe_id[:160]}", "E105")
    return found


def leaf_for(book: Book, identity: SpiffeId, now: datetime) -> Certificate:
    """The leaf of this identity with its key. Unavailable when none is at hand and in date."""
    held = book.certificates.get(str(identity))
    if held is None or _is_over(held, now):
        raise Unavailable(f"no certificate of {identity} is at hand: no controller has issued it yet, or it ran out")
    return held


def validation_for(book: Book, caller: Caller, wanted: Validation, now: datetime) -> bytes:
    """The ValidateJWTSVIDResponse. Refused: E105 when this user is nobody; Invalid when the token is not good."""
    entitled(book, caller)
    known = {one.trust_domain: one.keys for one in book.authorities}
    try:
        claims = validated(wanted.svid, wanted.audience, known, now)
    except Refused as error:
        raise Invalid(error.text, error.code) from None
    return validation_message(claims)


def entitled(book: Book, caller: Caller) -> tuple[SpiffeId, ...]:
    """The identities of this user, at least one. Refused (E105) when it has none, Unavailable before the handout."""
    if not book.known:
        raise Unavailable("no handout yet: who is who on this node is not known")
    identities = identities_of(caller, book.registered)
    if not identities and is_coming(book, caller):
        raise Unavailable("the pod was attested; its certificate is on its way")
    if not identities:
        raise Refused(
            f"uid {caller.user.uid}, gid {caller.user.gid} is no registered workload of this node; "
            "register it with `isthmus enroll --workload-uid` or `--workload-kubernetes`",
            "E105",
        )
    return identities


def is_coming(book: Book, caller: Caller) -> bool:
    """True for one who was attested, and for whom a certificate is asked."""
    return book.attests and caller.account is not None and caller.account.lasts > 0


def _svid(book: Book, identity: SpiffeId, now: datetime) -> Svid | None:
    held = book.certificates.get(str(identity))
    if held is None or _is_over(held, now):
        return None
    chain = x509.load_pem_x509_certificates(held.chain.encode())
    key = serialization.load_pem_private_key(held.key.encode(), None)
    return Svid(
        str(identity),
        _der(chain),
        key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        _bundles(book)[_trust_domain_id(book.anchors[0])],
    )


def _is_over(held: Certificate, now: datetime) -> bool:
    return x509.load_pem_x509_certificate(held.chain.encode()).not_valid_after_utc <= now


def _bundles(book: Book) -> dict[str, bytes]:
    pems = {_trust_domain_id(anchor): anchor.pem for anchor in book.anchors}
    pems |= {f"spiffe://{one.trust_domain}": one.anchors for one in book.foreign if one.anchors}
    return {name: _der(x509.load_pem_x509_certificates(pem.encode())) for name, pem in pems.items()}


def _trust_domain_id(anchor: Anchor) -> str:
    return f"spiffe://{anchor.trust_domain}"


def _der(certificates: list[x509.Certificate]) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.DER) for certificate in certificates)

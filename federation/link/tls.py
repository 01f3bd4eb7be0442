"""TLS contexts and the strict check of a peer's identity. OpenSSL verifies; cryptography's verifier never does."""

import os
import ssl

from cryptography import x509

from federation.link.leaf import Leaf
from federation.model.errors import InputError, Refused
from federation.model.spiffe import SpiffeId, parse_spiffe


def client_context(leaf: Leaf, anchors: str) -> ssl.SSLContext:
    """For dialling: TLS 1.3, our leaf, these anchors (PEM) alone; the name is checked by `check_peer` afterwards."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=anchors)
    context.set_alpn_protocols(["h2"])
    show_leaf(context, leaf)
    return context


def show_leaf(context: ssl.SSLContext, leaf: Leaf) -> None:
    """Show this leaf in handshakes from now on. OpenSSL takes it from a file only: here from one in memory, since a
    container's root may be read-only (memfd_create(2)).
    """
    with os.fdopen(os.memfd_create("leaf"), "w+b") as pem:
        pem.write((leaf.key + leaf.chain).encode())
        pem.flush()
        context.load_cert_chain(f"/proc/self/fd/{pem.fileno()}")


def identity_of(certificate: x509.Certificate) -> SpiffeId:
    """The one SPIFFE ID of a leaf (X509-SVID section 2): exactly one URI SAN and no CA. Refused (E105) otherwise."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        constraints = [e for e in certificate.extensions if isinstance(e.value, x509.BasicConstraints)]
        if len(uris) != 1 or len(list(names)) != 1:
            raise Refused(f"peer presented {len(list(names))} names, exactly one SPIFFE ID is allowed", "E105")
        if any(e.value.ca for e in constraints if isinstance(e.value, x509.BasicConstraints)):
            raise Refused("peer presented a CA certificate as its own", "E105")
        return parse_spiffe(uris[0])
    except (x509.ExtensionNotFound, ValueError) as error:
        raise Refused(f"peer certificate carries no SPIFFE ID: {error}", "E105") from None
    except InputError as error:
        raise Refused(f"peer presented {error.text}", "E105") from None


def check_peer(der: bytes | None, expect: SpiffeId) -> None:
    """Pin: the verified peer certificate must carry exactly this identity. Refused (E105) otherwise."""
    if der is None:
        raise Refused("peer presented no certificate", "E105")
    found = identity_of(x509.load_der_x509_certificate(der))
    if found != expect:
        raise Refused(f"peer presented {found}, expected {expect}; connection closed", "E105")

"""Leaves that eu-central's CA key can make to pass for us-east's controller, over two anchors in one bundle.

`constrained` anchors have the form of `federation.trust.anchor`; `plain` ones are the same without name constraints, to
show that each attack is real: it succeeds there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from federation.model.spiffe import controller_id
from federation.trust.anchor import make_anchor

EAST, WEST = "us-east.acme.mesh", "eu-central.acme.mesh"
VICTIM, ATTACKER = str(controller_id(EAST)), str(controller_id(WEST))
NOW = datetime.now(UTC)
Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Anchor:
    """A CA with its key."""

    key: Key
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        return pem_of(self.certificate)


@dataclass(frozen=True)
class Pair:
    """What one end presents: key and chain, PEM."""

    key: str
    chain: str


def pem_of(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def constrained(domain: str) -> Anchor:
    key, certificate = make_anchor(domain, NOW)
    loaded = serialization.load_pem_private_key(key.encode(), None)
    assert isinstance(loaded, Key)
    return Anchor(loaded, x509.load_pem_x509_certificate(certificate.encode()))


def plain(domain: str) -> Anchor:
    """The same anchor without its name constraints and path length."""
    model = constrained(domain)
    builder = _builder(model.certificate.subject, model.certificate.subject, model.key)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    for extension in model.certificate.extensions:
        if not isinstance(extension.value, x509.NameConstraints | x509.BasicConstraints):
            builder = builder.add_extension(extension.value, critical=extension.critical)
    return Anchor(model.key, builder.sign(model.key, hashes.SHA256()))


def _builder(subject: x509.Name, issuer: x509.Name, key: Key) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(hours=1))
        .not_valid_after(NOW + timedelta(days=1))
    )


def leaf(anchor: Anchor, *names: x509.GeneralName, cn: str = "", above: Sequence[x509.Certificate] = ()) -> Pair:
    """Whatever leaf this CA likes to sign."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, cn)] if cn else [])
    builder = _builder(subject, anchor.certificate.subject, key)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(anchor.key.public_key())
    builder = builder.add_extension(identifier, critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not cn)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain = pem_of(builder.sign(anchor.key, hashes.SHA256())) + "".join(pem_of(item) for item in above)
    return Pair(private.decode(), chain)


def below(anchor: Anchor) -> Pair:
    """A leaf for the victim under a CA that the attacker's CA made."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "middle")])
    builder = _builder(name, anchor.certificate.subject, key)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    builder = builder.add_extension(usage, critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(anchor.key.public_key())
    middle = builder.add_extension(identifier, critical=False).sign(anchor.key, hashes.SHA256())
    return leaf(Anchor(key, middle), uri(VICTIM), above=[middle])


def uri(text: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(text)


def twin_of(anchor: Anchor) -> Anchor:
    """A CA of the same name with a key of the attacker's own."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(anchor.certificate.subject, anchor.certificate.subject, key)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return Anchor(key, builder.sign(key, hashes.SHA256()))


def forged(own: Anchor, victim: Anchor) -> dict[str, Pair]:
    """Every attack by the holder of `own`."""
    upper = VICTIM.replace("us-east", "US-EAST")
    port = VICTIM.replace(EAST, EAST + ":8443")
    return {
        "forged URI": leaf(own, uri(VICTIM)),
        "own URI, then a forged URI": leaf(own, uri(ATTACKER), uri(VICTIM)),
        "forged URI, then the own URI": leaf(own, uri(VICTIM), uri(ATTACKER)),
        "own URI beside a forged DNS name": leaf(own, uri(ATTACKER), x509.DNSName(EAST)),
        "forged DNS name": leaf(own, x509.DNSName(EAST)),
        "forged IP": leaf(own, x509.IPAddress(ip_address("127.0.0.1"))),
        "upper-case host": leaf(own, uri(upper)),
        "host with port": leaf(own, uri(port)),
        "CN of the victim's ID, no SAN": leaf(own, cn=VICTIM[:64]),
        "CN of the victim's host, no SAN": leaf(own, cn=EAST),
        "victim's ID as e-mail name": leaf(own, x509.RFC822Name("controller@" + EAST)),
        "no name at all": leaf(own),
        "CA below the CA": below(own),
        "CA of the victim's name": leaf(twin_of(victim), uri(VICTIM)),
        "own identity": leaf(own, uri(ATTACKER)),
    }


class Bed:
    """Both members' anchors in one bundle, the attacks, and the victim's honest leaf.

    `rotated`: each member has two anchors in the bundle; attacks and honest leaf are of the next ones, `earlier` is the
    victim's leaf of its old one.
    """

    def __init__(self, kind: str, rotated: bool = False) -> None:
        make = constrained if kind == "constrained" else plain
        self.east, self.west = make(EAST), make(WEST)
        self.bundle = self.east.pem + self.west.pem
        self.earlier = leaf(self.east, uri(VICTIM))
        if rotated:
            self.east, self.west = make(EAST), make(WEST)
            self.bundle += self.east.pem + self.west.pem
        self.honest = leaf(self.east, uri(VICTIM))
        self.attacks = forged(self.west, self.east)

"""JWT-SVIDs (SPIFFE JWT-SVID standard): who may sign them, and what an agent asks for."""

from collections.abc import Sequence

from msgspec import Struct

from federation.model.errors import Refused

AUDIENCES_MAX = 8
AUDIENCE_BYTES_MAX = 256
KEYS_MAX = 8
"""Keys of one trust domain at a time: two are usual, three while one runs out."""

TOKEN_SECONDS = 300
"""The life of a JWT-SVID."""


class JwtKey(Struct, frozen=True):
    """A key that signs JWT-SVIDs: its id within the trust domain, and its public half (DER SubjectPublicKeyInfo)."""

    kid: str
    public: bytes


class Authorities(Struct, frozen=True):
    """Every key whose JWT-SVIDs are good in this trust domain; those that will sign soon are among them."""

    trust_domain: str
    keys: tuple[JwtKey, ...]


class TokenRequest(Struct, frozen=True):
    """What an agent asks its controller for, and that the signer: a JWT-SVID of this identity for these audiences."""

    identity: str
    audiences: tuple[str, ...]


class ServiceAccount(Struct, frozen=True):
    """Whose a Kubernetes service account token is: the account, its pod, and the node that runs it ("": not said).

    `lasts` is for how many seconds from now the controller gives the node's agent the account's identity because of
    this token; 0: only where the account is registered for the node.
    """

    namespace: str
    name: str
    pod: str
    node: str = ""
    lasts: int = 0


def check_audiences(audiences: Sequence[str]) -> None:
    """Refused (E125) unless there are 1 to AUDIENCES_MAX, none empty nor longer than AUDIENCE_BYTES_MAX."""
    if not 1 <= len(audiences) <= AUDIENCES_MAX:
        raise Refused(f"JWT-SVID for {len(audiences)} audiences, must be 1 to {AUDIENCES_MAX}", "E125")
    longest = max(len(one.encode()) for one in audiences)
    if not all(audiences) or longest > AUDIENCE_BYTES_MAX:
        raise Refused(f"JWT-SVID for an audience that is not 1 to {AUDIENCE_BYTES_MAX} bytes long", "E125")

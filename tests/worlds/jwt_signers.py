"""The JWT authorities of members, signed by their real anchors, at a time that a test sets."""

from pathlib import Path

from federation.link.statement import make_statement
from federation.model.handout import JwtBundle
from federation.model.names import MemberName
from federation.model.spiffe import SpiffeId
from federation.model.tokens import TokenRequest
from federation.trust.authorities import AuthorityKeys
from tests.worlds.two_members import MemberKeys


class JwtSigner:
    """What a member's signer does with its JWT keys."""

    def __init__(self, member: MemberKeys, folder: Path, now: int) -> None:
        self.member = member
        self.now = now
        self.keys = AuthorityKeys(folder / f"{member.name}.json", member.domain)

    def bundle(self) -> JwtBundle:
        """Its statement now, as node agents are handed it."""
        return JwtBundle(
            MemberName(self.member.name), make_statement(self.keys.published(self.now), self.member.anchor_key)
        )

    def token(self, identity: SpiffeId, *audiences: str) -> str:
        return self.keys.sign(TokenRequest(str(identity), audiences), self.now)

    def kids(self) -> list[str]:
        return [key.kid for key in self.keys.published(self.now).keys]

"""What our enrolled programs may ask of the controller: certificates, tokens, and whose a service account token is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import structs

from federation.config import Enrolment
from federation.model.errors import Refused
from federation.model.spiffe import SpiffeId, agent_id
from federation.ports import Clock, ClusterApi, TokenReviewer
from federation.trust.attested import Attested, seconds_left
from federation.trust.issue import requested_identity
from federation.trust.policy import allowed_identities, check_request
from federation.trust.signer import TOKEN, ask_signer, requested_subject

AGENT_ACCOUNT = "agent-"


class Programs:
    """`enrolment` gives an enrolled program by its name, None for nobody."""

    def __init__(
        self,
        trust_domain: str,
        signer: Path,
        cluster: ClusterApi,
        clock: Clock,
        enrolment: Callable[[str], Enrolment | None],
    ) -> None:
        self._trust_domain, self._signer, self._cluster, self._clock = trust_domain, signer, cluster, clock
        self._enrolment = enrolment
        self._attested = Attested()

    def who(self, caller: SpiffeId) -> Enrolment:
        """The enrolled program with this identity. Refused (E105) when there is none."""
        name = caller.segments[-1].removeprefix(AGENT_ACCOUNT)
        found = self._enrolment(name)
        if found is None or caller != agent_id(self._trust_domain, name):
            raise Refused(f"{caller} is neither an active member's controller nor an agent enrolled here", "E105")
        return found

    def forget(self, name: str) -> None:
        """This program is enrolled no more."""
        self._attested.forget(name)

    async def issue(self, caller: SpiffeId, request: bytes) -> bytes:
        """The leaf (PEM) for this signing request. Refused (E105)."""
        self._check(caller, requested_identity(request)[0])
        return (await ask_signer(self._signer, request)).encode()

    async def token(self, caller: SpiffeId, request: bytes) -> bytes:
        """The JWT-SVID for this request. Refused (E105, E125)."""
        self._check(caller, requested_subject(request))
        return (await ask_signer(self._signer, TOKEN + request)).encode()

    async def attest(self, caller: SpiffeId, request: bytes) -> bytes:
        """Whose the service account token is that an agent was shown on its node. Refused (E105), Unavailable."""
        enrolment = self.who(caller)
        if not isinstance(self._cluster, TokenReviewer):
            raise Refused("this member has no Kubernetes API that could review a token: register by uid", "E105")
        here = enrolment.kubernetes or enrolment.name
        token = request.decode(errors="replace")
        found = await self._cluster.review(token)
        if found.node and found.node != here:
            what = f"service account token of {found.namespace}/{found.name}"
            raise Refused(f'{what}: its pod runs on node "{found.node}", and was shown on "{here}"', "E105")
        if enrolment.attests and found.node:
            found = structs.replace(found, lasts=seconds_left(token, self._clock.wall()))
            self._attested.note(enrolment.name, found, self._clock.monotonic())
        return msgspec.msgpack.encode(found)

    def _check(self, caller: SpiffeId, wanted: SpiffeId) -> None:
        one = self.who(caller)
        here = self._attested.workloads(one.name, self._clock.monotonic()) if one.attests else ()
        allowed = allowed_identities(self._trust_domain, one.name, one.role, (*one.workloads, *here))
        check_request(caller, wanted, allowed)

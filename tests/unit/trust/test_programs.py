"""What an enrolled program may ask for: a compromised node gets no identity of pods that do not run on it."""

import asyncio
from pathlib import Path

import jwt
import msgspec
import pytest

from federation.adapters.memory import MemoryCluster
from federation.config import Enrolment
from federation.link.leaf import new_key, signing_request
from federation.model.errors import Refused
from federation.model.spiffe import SpiffeId, account, agent_id
from federation.model.tokens import ServiceAccount
from federation.trust import programs as room
from federation.trust.attested import ACCOUNTS_MAX, Attested, seconds_left
from federation.trust.policy import allowed_identities
from federation.trust.programs import Programs

DOMAIN = "us-east.acme.mesh"
N1, N2, PLAIN = agent_id(DOMAIN, "node-n1"), agent_id(DOMAIN, "node-n2"), agent_id(DOMAIN, "plain")
NOW = 1_000_000.0


class Time:
    def __init__(self) -> None:
        self.passed = 0.0

    def monotonic(self) -> float:
        return self.passed

    def wall(self) -> float:
        return NOW + self.passed


class Reviewing(MemoryCluster):
    """Knows whose each token is."""

    def __init__(self, known: dict[str, ServiceAccount]) -> None:
        super().__init__()
        self.known = known

    @property
    def nodes(self) -> frozenset[str] | None:
        return frozenset({"n1", "n2"})

    async def review(self, token: str, audience: str = "") -> ServiceAccount:
        return self.known[token]


def token(lasts: float) -> str:
    return jwt.encode({"exp": NOW + lasts}, "k" * 32)


HOUR, SHORT, OPAQUE, THERE, NOWHERE = token(90_000), token(60), "opaque", token(3_601), token(3_602)
CLIENT = ServiceAccount("shop", "client", "client-0", "n1")
KNOWN = {
    HOUR: CLIENT,
    SHORT: CLIENT,
    OPAQUE: CLIENT,
    THERE: ServiceAccount("shop", "other", "other-0", "n2"),
    NOWHERE: ServiceAccount("shop", "client", "client-0", ""),
}
ENROLLED = {
    one.name: one
    for one in (
        Enrolment(name="node-n1", role="node", kubernetes="n1", attests=True),
        Enrolment(name="node-n2", role="node", kubernetes="n2", attests=True),
        Enrolment(name="plain", role="node", kubernetes="n1"),
        Enrolment(name="gateway-n1", role="gateway", kubernetes="n1"),
    )
}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> tuple[Programs, Time]:
    async def signed(path: Path, request: bytes) -> str:
        return "chain"

    monkeypatch.setattr(room, "ask_signer", signed)
    time = Time()
    return Programs(DOMAIN, Path("signer"), Reviewing(KNOWN), time, ENROLLED.get), time


def asked(programs: Programs, caller: SpiffeId, name: str) -> bytes:
    request = signing_request(new_key(), account(DOMAIN, "shop", name))
    return asyncio.run(programs.issue(caller, request))


def attested(programs: Programs, caller: SpiffeId, text: str) -> ServiceAccount:
    answer = asyncio.run(programs.attest(caller, text.encode()))
    return msgspec.msgpack.decode(answer, type=ServiceAccount)


def refused(programs: Programs, caller: SpiffeId, name: str) -> str:
    with pytest.raises(Refused) as caught:
        asked(programs, caller, name)
    return str(caught.value)


def test_an_account_that_was_never_attested_on_the_node_is_refused(made: tuple[Programs, Time]) -> None:
    programs, _ = made
    said = f"E105 {N1} may not be issued {account(DOMAIN, 'shop', 'client')}"
    assert refused(programs, N1, "client") == said
    attested(programs, N1, HOUR)
    assert asked(programs, N1, "client") == b"chain"
    assert refused(programs, N1, "other") == f"E105 {N1} may not be issued {account(DOMAIN, 'shop', 'other')}"
    assert refused(programs, N2, "client") == f"E105 {N2} may not be issued {account(DOMAIN, 'shop', 'client')}"


def test_a_token_of_a_pod_elsewhere_gives_nothing(made: tuple[Programs, Time]) -> None:
    programs, _ = made
    with pytest.raises(Refused) as caught:
        attested(programs, N1, THERE)
    assert str(caught.value) == (
        'E105 service account token of shop/other: its pod runs on node "n2", and was shown on "n1"'
    )
    refused(programs, N1, "other")


@pytest.mark.parametrize(("text", "caller"), [(OPAQUE, N1), (NOWHERE, N1), (HOUR, PLAIN)])
def test_no_end_no_node_or_no_such_right_is_no_identity(
    made: tuple[Programs, Time], text: str, caller: SpiffeId
) -> None:
    programs, _ = made
    assert attested(programs, caller, text).lasts == 0
    refused(programs, caller, "client")


@pytest.mark.parametrize(("text", "lasts"), [(HOUR, 3_600), (SHORT, 60)])
def test_it_lasts_as_long_as_the_token_and_an_hour_at_most(made: tuple[Programs, Time], text: str, lasts: int) -> None:
    programs, time = made
    assert attested(programs, N1, text).lasts == lasts
    time.passed = lasts - 1
    assert asked(programs, N1, "client") == b"chain"
    time.passed = lasts
    refused(programs, N1, "client")


def test_one_that_is_forgotten_begins_with_nothing(made: tuple[Programs, Time]) -> None:
    programs, _ = made
    attested(programs, N1, HOUR)
    programs.forget("node-n1")
    refused(programs, N1, "client")


def test_our_own_identities_are_nobodys() -> None:
    held = Attested()
    held.note("n", ServiceAccount("isthmus", "controller", "p", "n1", 60), 0.0)
    allowed = allowed_identities(DOMAIN, "n", "node", held.workloads("n", 1.0))
    assert allowed == {agent_id(DOMAIN, "n")}


def test_accounts_of_a_node_are_bounded() -> None:
    held = Attested()
    for n in range(ACCOUNTS_MAX + 5):
        held.note("n", ServiceAccount("shop", f"a{n}", "p", "n1", 60), 0.0)
    assert len(held.workloads("n", 1.0)) == ACCOUNTS_MAX


@pytest.mark.parametrize(
    ("claims", "left"), [({"exp": NOW + 60}, 60), ({"exp": NOW - 1}, 0), ({}, 0), ({"exp": NOW + 9e9}, 3_600)]
)
def test_how_long_a_token_counts(claims: dict[str, float], left: int) -> None:
    assert seconds_left(jwt.encode(claims, "k" * 32), NOW) == left

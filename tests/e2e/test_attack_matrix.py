"""The permanent matrix: what a member's CA can pass for, against OpenSSL, our dialler, our grpcio server and Envoy.

Every attack is shown to be real by succeeding somewhere without the control (chain check alone, plain anchors). The result
is written to build/attack-matrix.md.
"""

import asyncio
import ssl
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from grpclib.client import Channel, UnaryUnaryMethod
from grpclib.exceptions import GRPCError, StreamTerminatedError

from federation.link.dial import ISSUE, BytesCodec, PinnedChannel
from federation.link.leaf import Leaf
from federation.link.serve import LinkServer
from federation.link.tls import client_context
from federation.model.errors import Refused
from federation.model.spiffe import SpiffeId, parse_spiffe
from tests.e2e.envoy_tls import EnvoyBed, fetch
from tests.worlds.attacks import VICTIM, Bed, Pair
from tests.worlds.ports import free_port

CONSTRAINED, PLAIN, ROTATED = Bed("constrained"), Bed("plain"), Bed("constrained", rotated=True)
BEDS = {"constrained": CONSTRAINED, "plain": PLAIN, "rotated": ROTATED}
ATTACKS = list(CONSTRAINED.attacks)
NAMELESS = {"CN of the victim's ID, no SAN", "no name at all"}
UNCONSTRAINED = {"victim's ID as e-mail name"}
OWN = {"own identity"}
BY_CHAIN = NAMELESS | UNCONSTRAINED | OWN
"""What a chain check alone lets pass under constrained anchors: names that no constraint covers, and the own name."""

AMID = {"constrained": "", "rotated": ", amid a rotation", "plain": ", plain anchors"}

rows: dict[str, dict[str, str]] = {attack: {} for attack in ["honest victim", *ATTACKS]}


def leaf_of(pair: Pair) -> Leaf:
    return Leaf(id=VICTIM, key=pair.key, chain=pair.chain, not_before=0, not_after=2**40)


def note(column: str, attack: str, accepted: bool) -> bool:
    rows[attack][column] = "accepted" if accepted else "rejected"
    return accepted


def openssl(bed: Bed, pair: Pair) -> bool:
    """`openssl verify` of the chain alone."""
    with tempfile.TemporaryDirectory() as directory:
        bundle, chain = Path(directory) / "bundle.pem", Path(directory) / "chain.pem"
        bundle.write_text(bed.bundle)
        chain.write_text(pair.chain)
        command = ["openssl", "verify", "-CAfile", str(bundle), "-untrusted", str(chain), str(chain)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def server_context(pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(pair.key + pair.chain)
        file.flush()
        context.load_cert_chain(file.name)
    return context


async def dialled(bed: Bed, pair: Pair) -> bool:
    """Does our dialler speak to a server that presents this?"""
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0, ssl=server_context(pair))
    port = server.sockets[0].getsockname()[1]
    channel = PinnedChannel(f"127.0.0.1:{port}", client_context(leaf_of(bed.honest), bed.bundle), parse_spiffe(VICTIM))
    try:
        await channel._create_connection()
    except (ssl.SSLError, Refused):
        return False
    finally:
        channel.close()
        server.close()
    return True


class Served:
    """Our grpcio server as us-east's controller; remembers whom it served."""

    def __init__(self, bed: Bed) -> None:
        self._bed = bed
        self.seen: list[SpiffeId] = []

    async def __aenter__(self) -> "Served":
        self.port = free_port()
        self._server = LinkServer(
            lambda: (leaf_of(self._bed.honest), self._bed.bundle), self._exchange, {ISSUE: self._issue}
        )
        await self._server.start(f"127.0.0.1:{self.port}")
        return self

    async def __aexit__(self, *what: object) -> None:
        await self._server.stop()

    async def call(self, pair: Pair) -> str:
        """Call as whoever holds this; the identity that was served, or "" when refused."""
        context = client_context(leaf_of(pair), self._bed.bundle)
        context.verify_mode = ssl.CERT_NONE
        channel = Channel("127.0.0.1", self.port, ssl=context, codec=BytesCodec())
        try:
            return (await UnaryUnaryMethod(channel, ISSUE, bytes, bytes)(b"", timeout=5)).decode()
        except (GRPCError, StreamTerminatedError, OSError):
            return ""
        finally:
            channel.close()

    async def _exchange(
        self, caller: SpiffeId, incoming: AsyncIterator[bytes], send: Callable[[bytes], Awaitable[None]]
    ) -> None:
        raise AssertionError("nobody exchanges here")

    async def _issue(self, caller: SpiffeId, request: bytes) -> bytes:
        self.seen.append(caller)
        return str(caller).encode()


@pytest.mark.parametrize("attack", ATTACKS)
def test_openssl_rejects_what_constraints_cover(attack: str) -> None:
    for kind in ("constrained", "rotated"):
        bed = BEDS[kind]
        assert note(f"OpenSSL chain{AMID[kind]}", attack, openssl(bed, bed.attacks[attack])) == (attack in BY_CHAIN)
    note("OpenSSL chain, plain anchors", attack, openssl(PLAIN, PLAIN.attacks[attack]))


def test_every_attack_on_the_chain_succeeds_without_constraints() -> None:
    passed = {attack for attack in ATTACKS if openssl(PLAIN, PLAIN.attacks[attack])}
    assert passed == set(ATTACKS) - {"CA of the victim's name"}
    assert note("OpenSSL chain", "honest victim", openssl(CONSTRAINED, CONSTRAINED.honest))
    assert note("OpenSSL chain, amid a rotation", "honest victim", all(openssl(ROTATED, one) for one in both()))


def both() -> tuple[Pair, Pair]:
    """The victim's honest leaves amid a rotation: of the old and of the next anchor."""
    return ROTATED.earlier, ROTATED.honest


@pytest.mark.parametrize("kind", BEDS)
def test_our_dialler_speaks_to_the_pinned_identity_only(kind: str) -> None:
    bed = BEDS[kind]

    async def main() -> None:
        for pair in (bed.honest, bed.earlier):
            assert note(f"our dialler{AMID[kind]}", "honest victim", await dialled(bed, pair))
        for attack, pair in bed.attacks.items():
            # Without constraints a CA can forge the very URI: nothing that looks at one leaf can tell then.
            passed = note(f"our dialler{AMID[kind]}", attack, await dialled(bed, pair))
            assert passed == (kind == "plain" and attack in {"forged URI", "CA below the CA"}), attack

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["constrained", "rotated"])
def test_our_grpcio_server_serves_nobody_as_another(kind: str) -> None:
    bed, column = BEDS[kind], f"our grpcio server{AMID[kind]}"

    async def main() -> None:
        async with Served(bed) as served:
            for pair in (bed.honest, bed.earlier):
                assert note(column, "honest victim", await served.call(pair) == VICTIM)
            for attack, pair in bed.attacks.items():
                served.seen.clear()
                identity = await served.call(pair)
                note(column, attack, bool(identity))
                assert bool(identity) == (attack in OWN), attack
                assert VICTIM not in map(str, served.seen), attack

    asyncio.run(main())


@pytest.fixture(scope="module")
def envoy() -> Iterator[EnvoyBed]:
    with EnvoyBed(BEDS, VICTIM) as bed:
        yield bed


@pytest.mark.parametrize("attack", ["honest victim", *ATTACKS])
def test_envoy_as_server(envoy: EnvoyBed, attack: str) -> None:
    def served(kind: str, pinned: bool) -> bool:
        bed = BEDS[kind]
        pair = bed.honest if attack == "honest victim" else bed.attacks[attack]
        return fetch(envoy.listener(kind, pinned), pair)

    for kind in ("constrained", "rotated"):
        by_chain = note(f"Envoy server, chain{AMID[kind]}", attack, served(kind, False))
        assert by_chain == (attack in BY_CHAIN | {"honest victim"})
        pinned = note(f"Envoy server, pinned{AMID[kind]}", attack, served(kind, True))
        assert pinned == (attack == "honest victim")
    note("Envoy server, chain, plain anchors", attack, served("plain", False))
    if attack in {"forged URI", "own URI, then a forged URI", "forged DNS name", "forged IP", "CA below the CA"}:
        assert served("plain", False), "the attack is not real"


@pytest.mark.parametrize("attack", ["honest victim", *ATTACKS])
def test_envoy_as_client(envoy: EnvoyBed, attack: str) -> None:
    for kind in ("constrained", "rotated"):
        reached = note(f"Envoy client, pinned{AMID[kind]}", attack, envoy.reaches(kind, attack))
        assert reached == (attack == "honest victim")
    if attack in {"forged URI", "CA below the CA"}:
        assert envoy.reaches("plain", attack), "the attack is not real"


def test_envoy_takes_the_victims_old_leaf_amid_a_rotation(envoy: EnvoyBed) -> None:
    assert all(fetch(envoy.listener("rotated", True), pair) for pair in both())
    assert not fetch(envoy.listener("constrained", True), ROTATED.honest)


def test_the_matrix_is_written() -> None:
    columns = sorted({column for row in rows.values() for column in row})
    lines = ["| attack | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    lines += [f"| {attack} | " + " | ".join(row.get(c, "-") for c in columns) + " |" for attack, row in rows.items()]
    path = Path(__file__).parents[2] / "build" / "attack-matrix.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n")

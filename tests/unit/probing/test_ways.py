"""Every way of probing against the real thing on loopback: TLS and its names, gRPC servers, echoes, programs."""

import asyncio
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import grpc
import pytest

from federation.model.policy import Kind, Probe
from federation.probing import tls
from federation.probing.command import Programs
from federation.probing.target import Target
from tests.netns.spaces import await_true
from tests.worlds.local_ca import LocalCa
from tests.worlds.probes import passes

NAME = "shop.example.test"
CHECK = "/grpc.health.v1.Health/Check"
SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"


@pytest.fixture
def ca(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalCa]:
    """The only authority that this machine's roots hold."""
    made = LocalCa(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.path))
    tls.context.cache_clear()
    yield made
    tls.context.cache_clear()


@contextmanager
def https(
    pair: tuple[Path, Path], answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready"
) -> Iterator[int]:
    """A server on this port, which answers once a connection."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*pair)

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                connection.settimeout(10)
                with suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
                    secured.recv(4_096)
                    secured.sendall(answer)

    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)


NAMES = {
    "its own name": (NAME, 1, {}, True),
    "another name": ("other.example.test", 1, {}, False),
    "another name that is asked for": ("other.example.test", 1, {"server_name": "other.example.test"}, True),
    "its name, but another is asked for": (NAME, 1, {"server_name": "other.example.test"}, False),
    "another name that nobody looks at": ("other.example.test", 1, {"verify": "none"}, True),
    "one that ran out": (NAME, -1, {}, False),
    "one that ran out and nobody looks": (NAME, -1, {"verify": "none"}, True),
    "a text that is there": (NAME, 1, {"body": "ready"}, True),
    "a text that is not": (NAME, 1, {"body": "reads"}, False),
}


@pytest.mark.parametrize("case", NAMES)
def test_https_asks_for_a_certificate_of_the_name(case: str, ca: LocalCa) -> None:
    shown, days, probe, well = NAMES[case]
    with https(ca.leaf(shown, days)) as port:
        asked = Probe(kind="https", timeout_ms=10_000, **probe)  # type: ignore[arg-type]
        assert asyncio.run(passes(Target("127.0.0.1", port, NAME, asked))) is well


def test_an_authority_that_the_system_does_not_trust_is_none(ca: LocalCa, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with https(LocalCa(tmp_path / "other").leaf(NAME)) as port:
        asked = Probe(kind="https", timeout_ms=10_000)
        assert not asyncio.run(passes(Target("127.0.0.1", port, NAME, asked)))


@pytest.mark.parametrize("kind", ["https", "grpc", "grpcs"])
def test_who_speaks_another_language_does_not_pass(kind: Kind) -> None:
    def serve() -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            connection.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        asked = Probe(kind=kind, timeout_ms=10_000)
        assert not asyncio.run(passes(Target("127.0.0.1", listening.getsockname()[1], NAME, asked)))
        thread.join(10)


@contextmanager
def grpc_server(answers: dict[str, bytes], credentials: grpc.ServerCredentials | None = None) -> Iterator[int]:
    """A real gRPC server whose health service knows these services."""

    def check(request: bytes, context: grpc.ServicerContext) -> bytes:
        name = request[2:].decode()
        if name not in answers:
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return answers[name]

    handler = grpc.method_handlers_generic_handler(
        "grpc.health.v1.Health", {"Check": grpc.unary_unary_rpc_method_handler(check)}
    )
    server = grpc.server(ThreadPoolExecutor(2), handlers=[handler])
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield port
    finally:
        server.stop(0).wait(10)


@pytest.mark.parametrize(
    ("service", "answers", "well"),
    [
        ("", {"": SERVING}, True),
        ("shop.Cart", {"shop.Cart": SERVING}, True),
        ("s" * 256, {"s" * 256: SERVING}, False),
        ("shop.Cart", {"shop.Cart": NOT_SERVING}, False),
        ("shop.Cart", {"": SERVING}, False),
        ("", {"": b""}, False),
        ("", {"": SERVING * 1_000}, False),
    ],
)
def test_a_grpc_service_must_say_that_it_serves(service: str, answers: dict[str, bytes], well: bool) -> None:
    with grpc_server(answers) as port:
        asked = Probe(kind="grpc", service=service, timeout_ms=10_000)
        assert asyncio.run(passes(Target("127.0.0.1", port, NAME, asked))) is well


@pytest.mark.parametrize(("shown", "well"), [(NAME, True), ("other.example.test", False)])
def test_grpc_inside_tls_asks_for_the_name(shown: str, well: bool, ca: LocalCa) -> None:
    certificate, key = ca.leaf(shown)
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    with grpc_server({"": SERVING}, credentials) as port:
        asked = Probe(kind="grpcs", timeout_ms=10_000)
        assert asyncio.run(passes(Target("127.0.0.1", port, NAME, asked))) is well


def may_send_echoes() -> bool:
    """True when this user may."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        with suppress(OSError):
            socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP).close()
            return True
    return False


@pytest.mark.skipif(not may_send_echoes(), reason="no right to send echoes")
@pytest.mark.parametrize(("address", "well"), [("127.0.0.1", True), ("::1", True), ("240.0.0.1", False)])
def test_an_echo_comes_back_or_not(address: str, well: bool) -> None:
    asked = Probe(kind="icmp", timeout_ms=2_000 if well else 50)
    assert asyncio.run(passes(Target(address, 0, NAME, asked))) is well


def program(folder: Path, text: str) -> dict[str, Path]:
    """An operator's command "own"."""
    path = folder / "probe"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return {"own": path}


def run(commands: dict[str, Path], timeout_ms: int = 10_000, host: str = NAME) -> bool:
    asked = Probe(kind="exec", command="own", timeout_ms=timeout_ms)
    return asyncio.run(passes(Target("192.0.2.1", 25, host, asked), commands))


def test_a_program_gets_host_address_and_port_and_its_status_counts(tmp_path: Path) -> None:
    assert run(program(tmp_path, f'test "$*" = "{NAME} 192.0.2.1 25" && test $# = 3'))
    assert not run(program(tmp_path, "exit 1"))
    assert not run({"own": tmp_path / "none"})


def test_no_shell_reads_what_it_gets(tmp_path: Path) -> None:
    assert run(program(tmp_path, 'test "$1" = \'$(touch x); "\''), host='$(touch x); "')


def test_a_program_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    """Both hold the other end of a pipe in the file system: it ends when both are gone."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    assert not run(program(tmp_path, f"exec 9>{path}; sleep 1000 & sleep 1000"), timeout_ms=300)

    def ended() -> bool:
        try:
            return os.read(reader, 1) == b""
        except BlockingIOError:
            return False

    await_true("both are gone", ended)
    os.close(reader)


def test_a_program_that_is_ended_early_has_ended_when_all_are_closed(tmp_path: Path) -> None:
    """At every moment of its beginning: it writes its number first, and nobody has it at the end."""
    commands = program(tmp_path, f"echo $$ >> {tmp_path}/begun; exec sleep 1000")
    asked = Target("192.0.2.1", 25, NAME, Probe(kind="exec", command="own"))

    async def ended_after(turns: int) -> None:
        programs = Programs(commands)
        end = programs.begin(asked, lambda good: None)
        for _ in range(turns):
            await asyncio.sleep(0)
        end()
        await asyncio.sleep(0)
        await programs.close()
        begun = (tmp_path / "begun").read_text().split() if (tmp_path / "begun").exists() else []
        assert [pid for pid in begun if Path(f"/proc/{pid}").exists()] == []
        assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    for turns in range(8):
        asyncio.run(ended_after(turns))

"""Members join over the wire with tokens: real processes, and the registrars that are none."""

import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from federation.registrar.token import decode_token, encode_token
from tests.netns.spaces import await_true
from tests.worlds.ports import free_port
from tests.worlds.public_cli import DOMAIN, ISTHMUS, Site
from tests.worlds.two_members import real

LOST = "isthmus: E105 the token is unknown, was used or has run out; ask for another one\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """us-east, registrar, with a join listener."""
    made = Site(tmp_path_factory.mktemp("join"))
    made.join_listen = f"127.0.0.1:{free_port()}"
    try:
        made.found()
        made.run("us-east")
        yield made
    finally:
        made.stop()


def token(site: Site, name: str, *more: str) -> str:
    state = str(site.folder("us-east").path)
    return site.cli("token", "create", "--state", state, "--name", name, "--registrar", site.join_listen, *more).strip()


def join(folder: Path, text: str, name: str = "ap-south", number: int = 7) -> tuple[int, str, str]:
    place = ("--domain", DOMAIN, "--name", name, "--region", name, "--az", "a", "--sync", f"127.0.0.1:{free_port()}")
    ranges = ("--reachable", f"10.{number}.0.0/16", "--clusterset", f"10.10{number}.0.0/16")
    command = [ISTHMUS, "join", "--state", str(folder), "--token", text, *place, *ranges]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def test_c13_a_member_joins_once_with_a_token_and_all_see_it(site: Site, tmp_path: Path) -> None:
    text = token(site, "ap-south", "--dns-zone", "example.test")
    code, out, error = join(tmp_path / "ap", text)
    assert (code, error) == (0, "")
    assert json.loads(out)["member"] == "ap-south"
    await_true(
        "its controller knows it", lambda: "ap-south" in [m["member"] for m in site.status("us-east")["members"]]
    )
    (entry,) = [row for row in site.ledger() if row["member"] == "ap-south"]
    assert entry["dns_zones"] == ["example.test"]
    assert join(tmp_path / "again", text) == (2, "", LOST)
    assert not (tmp_path / "again").exists()


def test_c13_a_token_is_for_one_name_and_a_failed_admission_does_not_use_it_up(site: Site, tmp_path: Path) -> None:
    text = token(site, "sa-east")
    assert join(tmp_path / "a", text, "me-west") == (
        2,
        "",
        'isthmus: E105 --name "me-west": the token is for "sa-east"\n',
    )
    taken = 'isthmus: E101 reachable CIDR 10.1.0.0/16 overlaps 10.1.0.0/16 owned by member "us-east"; choose another or ask its owner to release it\n'
    assert join(tmp_path / "b", text, "sa-east", 1) == (2, "", taken)
    assert not (tmp_path / "b").exists()
    assert join(tmp_path / "c", text, "sa-east", 8)[0] == 0


def test_c14_one_that_was_revoked_joins_again_only_with_a_token_for_that(site: Site, tmp_path: Path) -> None:
    code, out, _ = join(tmp_path / "first", token(site, "eu-north"), "eu-north", 9)
    assert code == 0
    was = json.loads(out)["number"]
    site.cli("member", "revoke", "eu-north", "--state", str(site.folder("us-east").path))
    code, _, error = join(tmp_path / "second", token(site, "eu-north"), "eu-north", 9)
    assert code == 2 and error.endswith("… and is revoked; choose another name, or let it in again with --rejoin\n")
    code, out, _ = join(tmp_path / "third", token(site, "eu-north", "--rejoin"), "eu-north", 9)
    assert code == 0
    number = json.loads(out)["number"]
    assert number > was

    def numbers() -> list[int]:
        return [row["number"] for row in site.status("us-east")["members"] if row["member"] == "eu-north"]

    await_true("it is a member again", lambda: numbers() == [number])
    assert "eu-north" in site.cli("members", "--api", str(site.folder("us-east").api))


def at(text: str, address: str) -> str:
    """The same token with another registrar's address in it."""
    given = decode_token(text)
    return encode_token(
        type(given)(
            secret=given.secret,
            federation=given.federation,
            registrar=given.registrar,
            registrars=(address,),
            name=given.name,
        )
    )


@contextmanager
def impostor(tmp_path: Path, answer: Callable[[bytes], bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """A TLS server that nobody should believe; gives its address and everything that it was told."""
    own = real("us-east")
    leaf = own.leaf(own.identity("isthmus", "controller"))
    pem = tmp_path / "impostor.pem"
    pem.write_text(leaf.key + leaf.chain)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    told: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    plain, _ = listening.accept()
                except OSError:
                    return
                try:
                    with context.wrap_socket(plain, server_side=True) as connection:
                        told.append(connection.recv(65_536))
                        connection.sendall(answer(told[-1]))
                except OSError:
                    continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}", told
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def test_a_registrar_with_another_ledger_is_refused(site: Site, tmp_path: Path) -> None:
    other = Site(tmp_path / "other")
    (tmp_path / "other").mkdir()
    other.found()
    ledger = other.folder("us-east").ledger_bytes()
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(ledger) + ledger
    text = token(site, "af-north")
    with impostor(tmp_path, lambda _: reply) as (address, told):
        code, _, error = join(tmp_path / "a", at(text, address), "af-north")
    assert code == 2
    assert error.startswith("isthmus: E105 ledger is signed by sha256:") and "not by this federation's key" in error
    assert not any(decode_token(text).secret in said for said in told)
    assert not (tmp_path / "a").exists()


def test_one_who_shows_the_true_ledger_but_is_not_the_registrar_never_sees_the_secret(
    site: Site, tmp_path: Path
) -> None:
    ledger = site.folder("us-east").ledger_bytes()
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(ledger) + ledger
    text = token(site, "af-north")
    with impostor(tmp_path, lambda _: reply) as (address, told):
        code, _, error = join(tmp_path / "a", at(text, address), "af-north")
    assert code == 2
    assert error.startswith(f"isthmus: E105 {address} is not the registrar: ") and error.endswith(
        "the token was not shown\n"
    )
    assert not any(decode_token(text).secret in said for said in told)


def test_where_nobody_listens_is_one_line(site: Site, tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    code, _, error = join(tmp_path / "a", at(token(site, "af-north"), address), "af-north")
    assert (code, error) == (2, f"isthmus: E190 registrar {address} does not answer: [Errno 111] Connection refused\n")


def test_only_the_registrar_makes_tokens_and_listens(site: Site, tmp_path: Path) -> None:
    state = str(site.folder("eu-central").path)
    words = ("token", "create", "--state", state, "--name", "af-north", "--registrar", "127.0.0.1:1")
    done = subprocess.run([ISTHMUS, *words], capture_output=True, text=True, timeout=60, check=False)
    key = site.folder("eu-central").federation_key
    assert (done.returncode, done.stderr) == (
        2,
        f"isthmus: E125 {key} does not exist: only the registrar has it and may admit\n",
    )

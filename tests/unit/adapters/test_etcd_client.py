"""The client against real etcds: a dead endpoint, mutual TLS, certificate and password, and what it says when refused."""

import asyncio
import base64
import re
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.adapters.etcd.access import EtcdOptions, read_access
from federation.adapters.etcd.client import EtcdClient
from federation.model.errors import IsthmusError
from tests.worlds.etcd import Certificates, Etcd, etcd, needs_etcd
from tests.worlds.etcd_stores import access
from tests.worlds.ports import free_port

pytestmark = needs_etcd


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls") / "good")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Etcd]:
    """Users root (password r), isthmus (i: by certificate or password) with isthmus/ only; authentication is on."""
    with etcd(tmp_path_factory.mktemp("etcd"), certificates) as one:
        for name in ("root", "isthmus"):
            one.ask("auth/user/add", name=name, password=name[0])
            one.ask("auth/role/add", name=name)
            one.ask("auth/user/grant", user=name, role=name)
        start, end = (base64.b64encode(text).decode() for text in (b"isthmus/", b"isthmus0"))
        one.ask("auth/role/grant", name="isthmus", perm={"permType": "READWRITE", "key": start, "range_end": end})
        one.ask("auth/enable")
        yield one


def refused(client: EtcdClient, key: bytes = b"isthmus/x") -> str:
    async def run() -> str:
        try:
            with pytest.raises(IsthmusError) as error:
                await client.commit({}, {}, [(key, b"1")], [])
            return re.sub(r"127\.0\.0\.1:\d+", "HOST", str(error.value))
        finally:
            client.close()

    return asyncio.run(run())


def writes(client: EtcdClient) -> float:
    """The seconds of a first write, which is taken."""

    async def run() -> float:
        before = time.monotonic()
        try:
            assert (await client.commit({}, {}, [(b"isthmus/x", b"1")], [])).taken
            return time.monotonic() - before
        finally:
            client.close()

    return asyncio.run(run())


def by_password(server: Etcd, folder: Path, password: str, user: str = "isthmus") -> EtcdClient:
    file = folder / "password"
    file.touch(0o600)
    file.write_text(password + "\n")
    return EtcdClient(read_access(EtcdOptions(endpoints=(server.plain,), user=user, password_file=file)))


def by_certificate(server: Etcd, mine: Certificates, ca: Path) -> EtcdClient:
    options = EtcdOptions(endpoints=(server.secure,), ca=ca, certificate=mine.client, key=mine.client_key)
    return EtcdClient(read_access(options))


def test_a_certificate_is_a_user(server: Etcd, certificates: Certificates) -> None:
    writes(by_certificate(server, certificates, certificates.ca))
    denied = refused(by_certificate(server, certificates, certificates.ca), b"other/x")
    assert denied == "E190 etcd HOST: the user may not read and write under our prefix: grant its role readwrite there"


def test_a_password_is_a_user(server: Etcd, tmp_path: Path) -> None:
    writes(by_password(server, tmp_path, "i"))


def test_an_old_token_is_renewed(server: Etcd, tmp_path: Path) -> None:
    client = by_password(server, tmp_path, "i")
    client._token = "of-yesterday.1"
    writes(client)


def test_nobody_is_refused(server: Etcd, certificates: Certificates, tmp_path: Path) -> None:
    assert refused(EtcdClient(access(server.plain))) == "E190 etcd HOST: etcdserver: user name is empty"
    wrong = 'E125 etcd HOST: user "isthmus" or the password in --etcd-password-file is wrong'
    assert refused(by_password(server, tmp_path, "x")) == wrong
    assert refused(by_password(server, tmp_path, "x", "someone")) == wrong.replace("isthmus", "someone")
    stranger = Certificates(tmp_path / "stranger")
    failed = refused(by_certificate(server, stranger, certificates.ca))
    assert failed.startswith("E190 etcd does not answer: HOST: ")
    forged = refused(by_certificate(server, certificates, stranger.ca))
    assert forged.startswith("E190 etcd does not answer: HOST: its certificate is refused (")


def test_less_than_tls_1_3_is_not_spoken(certificates: Certificates) -> None:
    options = EtcdOptions(("https://127.0.0.1:1",), certificates.ca, certificates.client, certificates.client_key)
    tls = read_access(options).tls
    assert tls is not None and tls.minimum_version == ssl.TLSVersion.TLSv1_3
    assert tls.check_hostname and tls.verify_mode == ssl.CERT_REQUIRED


def test_an_endpoint_that_refuses_or_hangs_is_left_within_a_second(tmp_path: Path) -> None:
    with etcd(tmp_path / "good") as good, etcd(tmp_path / "hung") as hung:
        assert writes(EtcdClient(access(f"http://127.0.0.1:{free_port()}", good.plain))) < 1
        hung.pause()
        assert writes(EtcdClient(access(hung.plain, good.plain))) < 1.5
        text = refused(EtcdClient(access(f"http://127.0.0.1:{free_port()}", hung.plain)))
        assert text == "E190 etcd does not answer: HOST: Connection refused; HOST: no answer in 0.9 s"


def test_no_space_is_said_with_what_to_do(tmp_path: Path) -> None:
    with etcd(tmp_path / "etcd") as server:
        server.ask("maintenance/alarm", action="ACTIVATE", memberID="0", alarm="NOSPACE")
        text = refused(EtcdClient(access(server.plain)))
        assert text == "E190 etcd HOST: it has no space left (alarm NOSPACE): compact, defragment, disarm"
        server.ask("maintenance/alarm", action="DEACTIVATE", memberID="0", alarm="NOSPACE")
        writes(EtcdClient(access(server.plain)))


def test_lost_quorum_is_unavailable_not_a_crash(tmp_path: Path) -> None:
    with etcd(tmp_path / "etcd") as server:
        server.ask("cluster/member/add", peerURLs=[f"http://127.0.0.1:{free_port()}"])
        assert refused(EtcdClient(access(server.plain))) == "E190 etcd does not answer: HOST: no answer in 0.9 s"

"""Debian's etcd on loopback: one process with its own ports and folder, ended by its pid whatever happens."""

import contextlib
import datetime
import ipaddress
import json
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.worlds.ports import free_port

needs_etcd = pytest.mark.skipif(
    shutil.which("etcd") is None, reason="NOT TESTED: etcd is not installed (Debian: etcd-server); run scripts/setup"
)
START_SECONDS = 20


@dataclass
class Etcd:
    """One server. Plain http for the test's own use, https beside it when there are certificates."""

    folder: Path
    plain: str
    secure: str
    peer: str
    certificates: "Certificates | None" = None
    process: subprocess.Popen[bytes] | None = None
    name: str = "one"
    others: str = ""

    def start(self) -> None:
        self.launch()
        self.await_healthy()

    def launch(self) -> None:
        urls = f"{self.plain},{self.secure}" if self.certificates else self.plain
        command = [
            "etcd",
            "--name",
            self.name,
            "--data-dir",
            str(self.folder / "data"),
            "--log-outputs",
            "stderr",
            "--logger",
            "zap",
        ]
        command += ["--listen-client-urls", urls, "--advertise-client-urls", urls]
        command += [
            "--listen-peer-urls",
            self.peer,
            "--initial-advertise-peer-urls",
            self.peer,
            "--initial-cluster",
            self.others or f"{self.name}={self.peer}",
        ]
        if self.certificates:
            mine = self.certificates
            command += [
                "--cert-file",
                str(mine.server),
                "--key-file",
                str(mine.server_key),
                "--client-cert-auth",
                "--trusted-ca-file",
                str(mine.ca),
            ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def await_healthy(self) -> None:
        assert self.process is not None
        end = time.monotonic() + START_SECONDS
        while not self._healthy():
            assert self.process.poll() is None and time.monotonic() < end, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.02)

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
        self.process = None

    def pause(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def snapshot(self, to: Path) -> None:
        """Copy the data, as a backup of the disk would."""
        self.stop()
        shutil.copytree(self.folder / "data", to)
        self.start()

    def restore(self, snapshot: Path) -> None:
        """Come back with an older state; the cluster's id stays."""
        self.stop()
        shutil.rmtree(self.folder / "data")
        shutil.copytree(snapshot, self.folder / "data")
        self.start()

    def ask(self, path: str, **body: Any) -> dict[str, Any]:
        """One call to the JSON gateway, for what only a test does."""
        request = urllib.request.Request(f"{self.plain}/v3/{path}", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=5) as answer:
            return dict(json.load(answer))

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.plain}/health", timeout=1) as answer:
                return bool(json.load(answer)["health"] == "true")
        except (OSError, ValueError):
            return False


@contextlib.contextmanager
def etcd(folder: Path, certificates: "Certificates | None" = None) -> Iterator[Etcd]:
    plain, secure, peer = (f"{scheme}://127.0.0.1:{free_port()}" for scheme in ("http", "https", "http"))
    folder.mkdir(parents=True, exist_ok=True)
    server = Etcd(folder, plain, secure, peer, certificates)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def cluster(folder: Path, names: tuple[str, ...] = ("one", "two", "three")) -> Iterator[list[Etcd]]:
    """Servers of one cluster, each healthy."""
    made = []
    for name in names:
        plain, secure, peer = (f"{scheme}://127.0.0.1:{free_port()}" for scheme in ("http", "https", "http"))
        (folder / name).mkdir(parents=True)
        made.append(Etcd(folder / name, plain, secure, peer, name=name))
    try:
        for server in made:
            server.others = ",".join(f"{one.name}={one.peer}" for one in made)
            server.launch()
        for server in made:
            server.await_healthy()
        yield made
    finally:
        for server in made:
            server.stop()


class Certificates:
    """A CA, the server's certificate for 127.0.0.1, and one for the client `isthmus`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.ca, _ = self._issue("ca", self._key)
        self.server, self.server_key = self._issue("server")
        self.client, self.client_key = self._issue("isthmus")

    def _issue(self, name: str, key: ec.EllipticCurvePrivateKey | None = None) -> tuple[Path, Path]:
        is_ca = key is not None
        key = key or ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca")]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        certificate, private = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        private.touch(0o600)
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate, private

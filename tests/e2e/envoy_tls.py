"""One real Envoy that verifies clients and servers with the default validator, with and without an exact URI pin."""

import json
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from gateways.binary import find_envoy
from tests.worlds.attacks import Bed, Pair

Json = dict[str, Any]
TYPE = "type.googleapis.com/envoy."


def load(context: ssl.SSLContext, pair: Pair) -> ssl.SSLContext:
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(pair.key + pair.chain)
        file.flush()
        context.load_cert_chain(file.name)
    return context


def fetch(port: int, pair: Pair) -> bool:
    """True when a server on this port answers a client that presents this pair."""
    context = load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), pair)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection(("127.0.0.1", port), 5) as plain,
            context.wrap_socket(plain) as secure,
        ):
            secure.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return secure.recv(4096).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


class Impostors:
    """A TLS server that presents the pair named by SNI and answers 200."""

    def __init__(self, beds: Mapping[str, Bed]) -> None:
        self._contexts: dict[str, ssl.SSLContext] = {}
        for kind, bed in beds.items():
            for number, pair in enumerate([bed.honest, *bed.attacks.values()]):
                self._contexts[f"{kind}-{number}.test"] = load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), pair)
        self._default = load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), next(iter(beds.values())).honest)
        self._default.sni_callback = self._choose
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)

    def _choose(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        connection.context = self._contexts[name or ""]

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._socket.accept()
            except OSError:
                return
            plain.settimeout(5)
            try:
                with self._default.wrap_socket(plain, server_side=True) as secure:
                    secure.recv(4096)
                    secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            except OSError:
                plain.close()


class EnvoyBed:
    """Starts Envoy with a listener for each way of verifying clients, and a route for each impostor."""

    def __init__(self, beds: Mapping[str, Bed], pin: str) -> None:
        self._beds = beds
        self._pin = pin
        self._stack = ExitStack()
        self._path = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))

    def __enter__(self) -> "EnvoyBed":
        self._impostors = Impostors(self._beds)
        config = self._path / "envoy.json"
        config.write_text(json.dumps(self._config()))
        address = self._path / "admin"
        log = self._stack.enter_context((self._path / "log").open("w"))
        command = [find_envoy(), "-c", str(config), "--admin-address-path", str(address), "--concurrency", "1"]
        self._process = subprocess.Popen(
            [*command, "--use-dynamic-base-id", "-l", "warning"], stdout=log, stderr=subprocess.STDOUT
        )
        self._ports = self._wait(address)
        return self

    def __exit__(self, *what: object) -> None:
        self._process.kill()
        self._process.wait()
        self._impostors.close()
        self._stack.close()

    def listener(self, kind: str, pinned: bool) -> int:
        """The port that verifies clients against this bed's bundle."""
        return self._ports[f"{kind}-{pinned}"]

    def reaches(self, kind: str, attack: str) -> bool:
        """True when Envoy, dialling the victim with an exact pin, is answered by the impostor."""
        number = 0 if attack == "honest victim" else 1 + list(self._beds[kind].attacks).index(attack)
        url = f"http://127.0.0.1:{self._ports['client']}/{kind}-{number}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError:
            return False

    def _wait(self, address: Path) -> dict[str, int]:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise AssertionError((self._path / "log").read_text())
            try:
                with urllib.request.urlopen(f"http://{address.read_text()}/listeners?format=json", timeout=5) as answer:
                    found = json.load(answer)["listener_statuses"]
                    return {item["name"]: item["local_address"]["socket_address"]["port_value"] for item in found}
            except (OSError, ValueError, KeyError):
                self._process_wait()
        raise AssertionError("Envoy did not start: " + (self._path / "log").read_text())

    def _process_wait(self) -> None:
        try:
            self._process.wait(0.05)
        except subprocess.TimeoutExpired:
            return

    def _config(self) -> Json:
        listeners = [self._server(kind, pinned) for kind in self._beds for pinned in (False, True)]
        names = [f"{kind}-{n}" for kind, bed in self._beds.items() for n in range(1 + len(bed.attacks))]
        routes = [{"match": {"path": f"/{name}"}, "route": {"cluster": name}} for name in names]
        listeners.append(_listener("client", [_http(routes)], None))
        clusters = [self._cluster(name) for name in names]
        admin = {"address": _address(0)}
        return {"admin": admin, "static_resources": {"listeners": listeners, "clusters": clusters}}

    def _server(self, kind: str, pinned: bool) -> Json:
        bed = self._beds[kind]
        context = {
            "@type": TYPE + "extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "require_client_certificate": True,
            "common_tls_context": self._common(bed, pinned),
        }
        ok = [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}]
        return _listener(f"{kind}-{pinned}", [_http(ok)], {"name": "tls", "typed_config": context})

    def _cluster(self, name: str) -> Json:
        context = {
            "@type": TYPE + "extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": f"{name}.test",
            "common_tls_context": self._common(self._beds[name.rpartition("-")[0]], True),
        }
        endpoint = {"endpoint": {"address": _address(self._impostors.port)}}
        return {
            "name": name,
            "type": "STATIC",
            "connect_timeout": "5s",
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
            "transport_socket": {"name": "tls", "typed_config": context},
        }

    def _common(self, bed: Bed, pinned: bool) -> Json:
        validation: Json = {"trusted_ca": {"inline_string": bed.bundle}}
        if pinned:
            pin = {"san_type": "URI", "matcher": {"exact": self._pin}}
            validation["match_typed_subject_alt_names"] = [pin]
        certificate = {
            "certificate_chain": {"inline_string": bed.honest.chain},
            "private_key": {"inline_string": bed.honest.key},
        }
        return {"tls_certificates": [certificate], "validation_context": validation}


def _address(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _listener(name: str, filters: list[Json], transport: Json | None) -> Json:
    chain: Json = {"filters": filters}
    if transport is not None:
        chain["transport_socket"] = transport
    return {"name": name, "address": _address(0), "filter_chains": [chain]}


def _http(routes: list[Json]) -> Json:
    router = {"@type": TYPE + "extensions.filters.http.router.v3.Router"}
    manager = {
        "@type": TYPE + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "x",
        "route_config": {"virtual_hosts": [{"name": "x", "domains": ["*"], "routes": routes}]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
    }
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}

"""The entrance of eu-central on loopback: a real Envoy with the rendered gateway, servers behind it, callers with leaves."""

import http.client
import json
import socket
import ssl
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from federation.link.leaf import Leaf
from federation.model.access import AccessRule
from federation.model.handout import Offer, Pool
from federation.model.names import ServiceKey
from federation.model.record import Endpoint, Port
from federation.model.spiffe import SpiffeId
from gateways.intent import intend
from gateways.render.envoy.resources import Certificate, Groups, grouped
from gateways.state import Situation
from tests.worlds.envoy_fed import FedEnvoy
from tests.worlds.ports import free_port
from tests.worlds.two_members import MemberKeys, keyed, peer, real, site

US, EU, AP = (real(name) for name in ("us-east", "eu-central", "ap-south"))
FROM = {US.name: "127.1.1.1", AP.name: "127.1.3.1"}
"""Where each member's packets come from: its overlay, on loopback."""
WEB, DB = ServiceKey("shop", "web"), ServiceKey("shop", "db")
SITUATION = Situation(node="g1", role="gateway", member=EU.name, domain="acme.mesh", address="127.0.0.1", device="ist0")
HERE = (Endpoint("127.0.0.1"),)
Rules = tuple[AccessRule, ...]


def port_of(service: ServiceKey) -> Port:
    """The one port of each service."""
    return Port("tcp", 5432) if service == DB else Port("http", 80, "TCP", "http")


class _Web(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        text = json.dumps({"method": self.command, "path": self.path}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = _answer

    def log_message(self, *what: object) -> None:
        return


GREETING = b"greetings\n"


def echo(server: socket.socket) -> None:
    """Each connection is greeted, and then gets back what it sends, line by line."""

    def serve(one: socket.socket) -> None:
        with suppress(OSError), one, one.makefile("rwb", 0) as lines:
            lines.write(GREETING)
            for line in lines:
                lines.write(line)

    while True:
        try:
            one, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=serve, args=(one,), daemon=True).start()


class Answer(Struct, frozen=True):
    """Status 0: the connection was closed. `seen` is what the server saw of the request, `text` any other body."""

    status: int
    seen: dict[str, str] = {}
    text: str = ""
    headers: dict[str, str] = {}


class Entrance:
    """shop/web (HTTP) and shop/db (TCP), exported by eu-central with these rules each, and `more` HTTP services."""

    def __init__(self, web: Rules = (), db: Rules = (), more: Mapping[ServiceKey, Rules] | None = None) -> None:
        self.rules = {WEB: web, DB: db, **(more or {})}
        self.peers: tuple[MemberKeys, ...] = (US, AP)
        self.port = free_port()
        self._web = ThreadingHTTPServer(("127.0.0.1", 0), _Web)
        self._web.daemon_threads = True
        self._db = socket.create_server(("127.0.0.1", 0))
        self._leaves: dict[SpiffeId, Path] = {}
        self._folder = tempfile.TemporaryDirectory()
        self._own = EU.leaf(EU.identity("isthmus", "gateway"))
        self.envoy = FedEnvoy()

    def __enter__(self) -> "Entrance":
        threading.Thread(target=self._web.serve_forever, daemon=True).start()
        threading.Thread(target=echo, args=(self._db,), daemon=True).start()
        self.envoy.__enter__()
        self.envoy.put(self.rendered())
        self.envoy.until("it listens", self._listens)
        return self

    def __exit__(self, *what: object) -> None:
        self.envoy.__exit__(*what)
        self._web.shutdown()
        self._web.server_close()
        self._db.close()
        self._folder.cleanup()

    def rendered(self) -> Groups:
        """Everything that the gateway's Envoy is told, but that it listens on loopback."""
        offers = [Offer(key, (port_of(key),), access=rules) for key, rules in self.rules.items()]
        web, db = self._web.server_address[1], self._db.getsockname()[1]
        pools = [
            Pool(service=key, az="a", ports=(Port(port_of(key).name, db if key == DB else web),), endpoints=HERE)
            for key in self.rules
        ]
        peers = [
            structs.replace(peer(keys, "", ()), overlay=f"{FROM[keys.name].rpartition('.')[0]}.0/24")
            for keys in self.peers
        ]
        state = intend(SITUATION, keyed(site(EU), *peers, *offers, *pools))
        assert state.gateway is not None
        entrance = structs.replace(state.gateway, address="127.0.0.1", port=self.port)
        own = Certificate(self._own.chain, self._own.key)
        return grouped(structs.replace(state, gateway=entrance), {str(identity): own for identity in state.identities})

    def allow(self, service: ServiceKey, *rules: AccessRule) -> None:
        """Put other rules in force for one service."""
        self.rules[service] = rules
        self.envoy.put(self.rendered())

    def admit(self, *peers: MemberKeys) -> None:
        """Let these be all the peers."""
        self.peers = peers
        self.envoy.put(self.rendered())

    def connect(self, identity: SpiffeId, service: ServiceKey, source: str = "") -> ssl.SSLSocket:
        """A connection of this identity, from its member's overlay unless said otherwise."""
        keys = next(keys for keys in (US, EU, AP) if keys.domain == identity.trust_domain)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.load_cert_chain(self._leaf(keys, identity))
        plain = socket.create_connection(("127.0.0.1", self.port), 10, (source or FROM[keys.name], 0))
        return context.wrap_socket(plain, server_hostname=f"{port_of(service).name}.{service.name}.{service.namespace}")

    def call(self, identity: SpiffeId, method: str = "GET", path: str = "/", **more: Any) -> Answer:
        """One request, its path sent as it is; `service`, `headers` and `source` as keywords."""
        try:
            with self.connect(identity, more.get("service", WEB), more.get("source", "")) as secure:
                return ask(secure, method, path, more.get("headers", {}))
        except (OSError, http.client.HTTPException):
            return Answer(0)

    def line(self, identity: SpiffeId, source: str = "") -> bool:
        """True when shop/db answers a line."""
        try:
            with self.connect(identity, DB, source) as secure:
                return greeted(secure) and said(secure)
        except OSError:
            return False

    def _leaf(self, keys: MemberKeys, identity: SpiffeId) -> Path:
        if identity not in self._leaves:
            leaf: Leaf = keys.leaf(identity)
            path = Path(self._folder.name) / f"{len(self._leaves)}.pem"
            path.write_text(leaf.key + leaf.chain)
            self._leaves[identity] = path
        return self._leaves[identity]

    def _listens(self) -> bool:
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", self.port)) == 0


def ask(secure: ssl.SSLSocket, method: str, path: str, headers: Mapping[str, str] = {}) -> Answer:
    """One HTTP/1.1 request on this connection, which stays open."""
    fields = {"Host": "web.shop.svc.clusterset.local", **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    secure.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode())
    answer = http.client.HTTPResponse(secure, method=method)
    answer.begin()
    text = answer.read().decode()
    if answer.getheader("content-type") is None and answer.status == 200 and text:
        return Answer(200, json.loads(text))
    return Answer(answer.status, {}, text, dict(answer.getheaders()))


def greeted(secure: ssl.SSLSocket) -> bool:
    """True when shop/db speaks, before anything was sent to it."""
    try:
        return secure.recv(64) == GREETING
    except OSError:
        return False


def said(secure: ssl.SSLSocket) -> bool:
    """True when the line comes back."""
    try:
        secure.sendall(b"hello\n")
        return secure.recv(64) == b"hello\n"
    except OSError:
        return False

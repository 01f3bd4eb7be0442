"""Joining over the wire: the registrar's listener, and the joiner's side of it.

The listener asks for no client certificate: a joiner has none that anyone trusts. Whoever asks gets the ledger, which
is signed and no secret; a member is admitted for a token's secret. The joiner first reads the ledger and verifies it by
the fingerprint in its token, then dials again, trusts the registrar's anchor from that ledger alone, pins its
controller's identity, and only then shows the secret.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Callable

import msgspec
from aiohttp import web
from msgspec import Struct

from federation.link.leaf import Leaf
from federation.link.site import TlsSite, shown_leaf
from federation.link.tls import check_peer
from federation.model.errors import IsthmusError, Refused, Unavailable
from federation.model.spiffe import SpiffeId
from federation.telemetry import split_address

BODY_MAX = 64 * 1024
LEDGER_MAX = 64 * 1024 * 1024
TIMEOUT = 10.0
LEDGER_PATH, JOIN_PATH = "/v1/ledger", "/v1/join"


class Call(Struct, frozen=True):
    """What the joiner sends: the token's secret and the request bytes of `registrar.admit`."""

    secret: bytes
    request: bytes


class JoinServer(TlsSite):
    """Serves the ledger and admissions over TLS."""

    def __init__(
        self, leaf: Callable[[], Leaf], ledger: Callable[[], bytes], admit: Callable[[bytes, bytes], bytes]
    ) -> None:
        """`admit` gets secret and request and returns the new ledger, or raises Refused or InputError."""
        app = web.Application(client_max_size=BODY_MAX)
        app.router.add_get(LEDGER_PATH, self._get_ledger)
        app.router.add_post(JOIN_PATH, self._post_join)
        super().__init__("--join-listen", app, shown_leaf(leaf))
        self._ledger, self._admit = ledger, admit

    async def _get_ledger(self, request: web.Request) -> web.Response:
        self.show()
        return web.Response(body=self._ledger())

    async def _post_join(self, request: web.Request) -> web.Response:
        try:
            call = msgspec.msgpack.decode(await request.read(), type=Call)
            return web.Response(body=self._admit(call.secret, call.request))
        except msgspec.MsgspecError as error:
            return refusal(Refused(f"join call cannot be read: {error}", "E120"))
        except IsthmusError as error:
            return refusal(error)


def refusal(error: IsthmusError, status: int = 403) -> web.Response:
    """What whoever asked is told."""
    return web.json_response({"code": error.code, "error": error.text}, status=status)


def fetch_ledger(address: str) -> bytes:
    """The ledger that whoever listens there shows; nothing of it is trusted yet. Unavailable when nobody does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return call(address, context, ("GET", LEDGER_PATH, b""), None)


def ask_to_join(address: str, anchor: str, registrar: SpiffeId, asked: Call) -> bytes:
    """The ledger with us in it. Refused when the other end is not this registrar, or refuses us."""
    context = anchored(anchor)
    return call(address, context, ("POST", JOIN_PATH, msgspec.msgpack.encode(asked)), registrar)


def anchored(anchor: str) -> ssl.SSLContext:
    """For dialling without a certificate of our own: TLS 1.3, these anchors (PEM) alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=anchor)
    return context


def call(
    address: str,
    context: ssl.SSLContext,
    request: tuple[str, str, bytes],
    expect: SpiffeId | None,
    whom: str = "registrar",
) -> bytes:
    """The answer to this (method, path, body) by `whom` at that address, sent only when it is `expect`. Refused when it
    is not, or refuses us; Unavailable when it does not answer now.
    """
    host, port = split_address(address, whom)
    connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=context)
    try:
        connection.connect()
        if expect is not None:
            assert isinstance(connection.sock, ssl.SSLSocket)
            check_peer(connection.sock.getpeercert(True), expect)
        connection.request(*request)
        answer = connection.getresponse()
        data = answer.read(LEDGER_MAX)
    except ssl.SSLCertVerificationError as error:
        raise Refused(f"{address} is not the {whom}: {error.verify_message}; the token was not shown", "E105") from None
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(f"{whom} {address} does not answer: {error}") from None
    finally:
        connection.close()
    if answer.status != 200:
        raise _refused(data, answer.status, f"{whom} {address}")
    return data


def _refused(data: bytes, status: int, who: str) -> IsthmusError:
    try:
        said = json.loads(data)
        code, text = str(said["code"]), str(said["error"])
    except (ValueError, KeyError, TypeError):
        return Refused(f"{who} refused without a word", "E102")
    return Unavailable(text, code) if status == 503 else Refused(text, code)

"""One look at a foreign bundle endpoint (SPIFFE Federation section 5): TLS by its profile, no redirect, bounded.

A redirect is never followed: the endpoint that was named, and no other, speaks for its trust domain.
"""

import asyncio
import contextlib
import http.client
import socket
import ssl
from urllib.parse import urlsplit

from federation.link.tls import check_peer
from federation.model.errors import IsthmusError, Refused, Unavailable
from federation.model.spiffe import parse_spiffe
from federation.trust.bundle import SIZE_MAX, Bundle
from federation.trust.foreign import Foreign

TIMEOUT = 15.0


async def fetch(foreign: Foreign, held: Bundle | None) -> bytes:
    """The document that the endpoint serves now. Unavailable when it does not answer in time, Refused (E126, E105) when
    it is not who it must be or does not answer with one document.
    """
    parts = urlsplit(foreign.url)
    context = _context(foreign, held)
    connection = http.client.HTTPSConnection(str(parts.hostname), parts.port, timeout=TIMEOUT, context=context)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    where = f"bundle endpoint {foreign.url}"
    opened: list[socket.socket] = []
    try:
        async with asyncio.timeout(TIMEOUT):
            return await asyncio.to_thread(_get, connection, path, foreign, where, opened)
    except ssl.SSLCertVerificationError as error:
        raise Refused(f"{where}: its certificate is not good: {error.verify_message}", "E126") from None
    except TimeoutError:
        raise Unavailable(f"{where} does not answer within {TIMEOUT:.0f} s") from None
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise Unavailable(f"{where} does not answer: {why}") from None
    finally:
        _cut(opened)
        connection.close()


def _context(foreign: Foreign, held: Bundle | None) -> ssl.SSLContext:
    if foreign.profile == "https_web":
        return ssl.create_default_context(cadata=foreign.ca or None)
    if held is None or not held.anchors:
        raise Refused(f"bundle of {foreign.trust_domain}: none to trust its endpoint by; add it again", "E126")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata="".join(held.anchors))
    return context


def _get(
    connection: http.client.HTTPSConnection, path: str, foreign: Foreign, where: str, opened: list[socket.socket]
) -> bytes:
    connection.connect()
    assert isinstance(connection.sock, ssl.SSLSocket)
    opened.append(connection.sock)
    if foreign.profile == "https_spiffe":
        try:
            check_peer(connection.sock.getpeercert(binary_form=True), parse_spiffe(foreign.endpoint_id))
        except IsthmusError as error:
            raise Refused(f"{where}: {error.text}", error.code) from None
    connection.request("GET", path, headers={"Accept": "application/json"})
    with connection.getresponse() as response:
        if 300 <= response.status < 400:
            raise Refused(f"{where} answers with a redirect ({response.status}): none is followed", "E126")
        if response.status != 200:
            raise Unavailable(f"{where} answers with status {response.status}")
        data = response.read(SIZE_MAX + 1)
    if len(data) > SIZE_MAX:
        raise Refused(f"{where}: more than {SIZE_MAX} bytes", "E126")
    return data


def _cut(opened: list[socket.socket]) -> None:
    """End the connection under a thread that still reads: its own timeouts begin anew with every byte."""
    for one in opened:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)

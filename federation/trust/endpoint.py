"""Our own trust domain's bundle, and the endpoint that serves it to foreign ones (SPIFFE Federation section 5)."""

import logging
import ssl
from collections.abc import Callable
from pathlib import Path

import msgspec
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec import Struct

from federation.link.leaf import Leaf
from federation.link.site import Show, TlsSite, shown_leaf
from federation.link.statement import read_statement
from federation.model.errors import InputError, IsthmusError, Unavailable
from federation.model.record import Signed
from federation.ports import Clock, Store
from federation.trust.bundle import REFRESH_HINT, Bundle, write_bundle

log = logging.getLogger("bundle")
PATH = "/bundle.json"
KEPT = "bundle/own"


class BundleServing(Struct, frozen=True):
    """Where the bundle is served (`ip:port`): as https_web with the certificate and key in these files, or, without, as
    https_spiffe with the controller's own leaf.
    """

    listen: str
    files: tuple[Path, Path] | None

    def show(self, leaf: Callable[[], Leaf]) -> Show:
        """What puts into a TLS context what is shown."""
        return shown_leaf(leaf) if self.files is None else shown_files(*self.files)


class _Kept(Struct, frozen=True):
    bundle: Bundle


class OwnBundle:
    """The document of our bundle. Its sequence moves on with each change of keys, over restarts, and never back: it is
    at least the Unix second of the change, so that a store that was lost does not begin anew.
    """

    def __init__(
        self,
        trust_domain: str,
        anchors: Callable[[], str],
        statement: Callable[[], Signed | None],
        store: Store,
        clock: Clock,
    ) -> None:
        self._trust_domain = trust_domain
        self._anchors = anchors
        self._statement = statement
        self._store = store
        self._clock = clock

    async def document(self) -> bytes:
        """The document now. Unavailable when its sequence cannot be made durable, or the signer never stated our keys:
        a bundle without them would say that they are revoked.
        """
        data = self._store.get(KEPT)
        kept = None if data is None else msgspec.msgpack.decode(data, type=_Kept).bundle
        now = self._now()
        if kept is None or (kept.anchors, kept.keys) != (now.anchors, now.keys):
            last = 0 if kept is None else kept.sequence
            kept = msgspec.structs.replace(now, sequence=max(last + 1, int(self._clock.wall())))
            self._store.put(KEPT, msgspec.msgpack.encode(_Kept(kept)))
            await self._store.flush()
        return write_bundle(kept)

    def _now(self) -> Bundle:
        pem, statement = self._anchors(), self._statement()
        if statement is None:
            raise Unavailable("keys of JWT-SVIDs are not known yet: is `isthmus signer` running?")
        certificates = x509.load_pem_x509_certificates(pem.encode())
        return Bundle(
            trust_domain=self._trust_domain,
            anchors=tuple(certificate.public_bytes(Encoding.PEM).decode() for certificate in certificates),
            keys=read_statement(statement, pem, self._trust_domain).keys,
            refresh_hint=REFRESH_HINT,
        )


class BundleEndpoint(TlsSite):
    """Serves the document at PATH over TLS and asks no client for a certificate."""

    def __init__(self, bundle: OwnBundle, show: Show) -> None:
        """`show` as in `TlsSite`."""
        app = web.Application()
        app.router.add_get(PATH, self._get)
        super().__init__("--bundle-listen", app, show, ssl.TLSVersion.TLSv1_2)
        self._bundle = bundle

    async def _get(self, request: web.Request) -> web.Response:
        try:
            return web.Response(body=await self._bundle.document(), content_type="application/json")
        except IsthmusError as error:
            log.error("the bundle cannot be served", extra={"reason": str(error)})
            return web.Response(status=503, text=f"{error}\n")


def shown_files(certificate: Path, key: Path) -> Show:
    """For https_web: a certificate chain and its key from PEM files. InputError (E122) when they cannot be used."""

    def show(context: ssl.SSLContext) -> None:
        try:
            context.load_cert_chain(certificate, key)
        except OSError as error:
            why = getattr(error, "reason", None) or error.strerror
            raise InputError(f'--bundle-cert "{certificate}", --bundle-key "{key}": {why}', "E122") from None

    return show

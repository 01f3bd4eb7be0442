"""An HTTPS endpoint on loopback that answers what a test says, and certificates for it."""

import contextlib
import http.server
import ssl
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct


class Answer(Struct):
    """What the endpoint answers; a test may change it while it runs."""

    body: bytes = b""
    status: int = 200
    location: str = ""
    drip: bool = False


class WebPair(Struct, frozen=True):
    """A self-signed web certificate for 127.0.0.1 with its key, PEM."""

    certificate: str
    key: str


def web_pair(days: int = 30) -> WebPair:
    """A certificate that ends in so many days; negative: it has ended."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bundles")])
    end = datetime.now(UTC) + timedelta(days=days)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(end - timedelta(days=90))
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(True, None), critical=True)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return WebPair(public.decode(), private.decode())


@contextlib.contextmanager
def serving(certificate: str, key: str, answer: Answer) -> Iterator[str]:
    """The URL of an endpoint that shows this certificate."""

    stopped = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(answer.body)))
            if answer.location:
                self.send_header("Location", answer.location)
            self.end_headers()
            with contextlib.suppress(OSError):
                for start in range(0, len(answer.body) if answer.drip else 0):
                    self.wfile.write(answer.body[start : start + 1])
                    if stopped.wait(0.2):
                        return
                self.wfile.write(b"" if answer.drip else answer.body)

        def log_message(self, *arguments: object) -> None:
            pass

    class Quiet(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *arguments: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pair.pem"
        path.write_text(key + certificate)
        context.load_cert_chain(path)
    server = Quiet(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}/bundle.json"
    finally:
        stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()

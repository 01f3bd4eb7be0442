"""`pod.py NAME ADDRESS PORT`: an HTTP endpoint that names itself and repeats what it was asked; what is sent by POST it
sends back.
"""

import json
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME = sys.argv[1] if len(sys.argv) > 1 else "pod"


class Pod(BaseHTTPRequestHandler):
    """Answers every GET and POST."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        headers = {key.lower(): value for key, value in self.headers.items()}
        body = json.dumps({"pod": NAME, "path": self.path, **headers}).encode()
        self._answer(body)

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["content-length"])))

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return


class Server(ThreadingHTTPServer):
    """Of the family of its address."""

    address_family = socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET


if __name__ == "__main__":
    Server((sys.argv[2], int(sys.argv[3])), Pod).serve_forever()

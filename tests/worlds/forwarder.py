"""A cluster's resolver on loopback: gives one zone to another server as CoreDNS with `forward` does, and its own word on
all else. UDP and TCP.
"""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rrset

from tests.worlds.ports import free_port

ZONE = dns.name.from_text("clusterset.local")


class Forwarder:
    """`upstream` is the port of the server for ZONE (0: it is not forwarded); `text` a TXT record that it has itself."""

    def __init__(self, upstream: int = 0, rcode: dns.rcode.Rcode = dns.rcode.NXDOMAIN, text: str = "") -> None:
        self.upstream = upstream
        self.rcode = rcode
        self.text = text
        self.asked = 0

    def answer(self, wire: bytes) -> bytes:
        """The response to one query."""
        self.asked += 1
        query = dns.message.from_wire(wire)
        if self.upstream and query.question[0].name.is_subdomain(ZONE):
            try:
                return dns.query.udp_with_fallback(query, "127.0.0.1", 2, self.upstream)[0].to_wire()
            except dns.exception.Timeout:
                return self._own(query, dns.rcode.SERVFAIL)
        return self._own(query, self.rcode)

    def _own(self, query: dns.message.Message, rcode: dns.rcode.Rcode) -> bytes:
        response = dns.message.make_response(query)
        response.set_rcode(rcode)
        if self.text:
            response.answer.append(dns.rrset.from_text(query.question[0].name, 5, "IN", "TXT", f'"{self.text}"'))
        return response.to_wire()


@contextmanager
def forwarding(forwarder: Forwarder) -> Iterator[int]:
    """The port that it serves on within the block."""

    class Datagram(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data, socket = self.request
            socket.sendto(forwarder.answer(data), self.client_address)

    class Stream(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            answer = forwarder.answer(self.rfile.read(int.from_bytes(self.rfile.read(2), "big")))
            self.wfile.write(len(answer).to_bytes(2, "big") + answer)

    address = "127.0.0.1", free_port()
    with socketserver.UDPServer(address, Datagram) as udp, socketserver.TCPServer(address, Stream) as tcp:
        threads = [threading.Thread(target=one.serve_forever, args=(0.05,)) for one in (udp, tcp)]
        for thread in threads:
            thread.start()
        try:
            yield address[1]
        finally:
            udp.shutdown()
            tcp.shutdown()
            for thread in threads:
                thread.join()

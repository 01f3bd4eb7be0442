import socket
import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import dns.edns
import dns.flags
import dns.message
import dns.rrset
import pytest

from federation.lab import dns_client
from federation.lab.dns_client import Asker, Poller, Question, Reply, read

HOST = "shop.example.test"
FOUND = Question("127.0.0.1", HOST, "10.1.0.0/24")
SIX = Question("127.0.0.1", HOST, kind="AAAA")
SILENT = Question("127.0.0.1", "silent.example.test")
NOBODY = Question("127.0.0.1", "nobody.example.test")


class Server(threading.Thread):
    """Answers HOST with the client subnet that it saw turned into an address; says nothing to `silent`."""

    def __init__(self) -> None:
        super().__init__()
        self.port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.port.bind(("127.0.0.1", 0))
        self.asked = 0

    def run(self) -> None:
        while True:
            data, peer = self.port.recvfrom(4096)
            if not data:
                return
            query = dns.message.from_wire(data)
            self.asked += 1
            name = query.question[0].name.to_text()
            if name.startswith("silent"):
                self.port.sendto(b"no message", peer)
                continue
            answer = dns.message.make_response(query)
            if name.startswith("nobody"):
                answer.set_rcode(dns.rcode.NXDOMAIN)
            elif query.question[0].rdtype == dns.rdatatype.A:
                subnet = next((o.address for o in query.options if isinstance(o, dns.edns.ECSOption)), "192.0.2.9")
                answer.answer.append(dns.rrset.from_text(name, 5, "IN", "A", subnet))
            self.port.sendto(answer.to_wire(), peer)

    def stop(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.sendto(b"", self.port.getsockname())
        self.join(5)
        self.port.close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    made = Server()
    monkeypatch.setattr(dns_client, "PORT", made.port.getsockname()[1])
    monkeypatch.setattr(dns_client, "WAIT_SECONDS", 0.2)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def port() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.setblocking(False)
        yield made


def told(reply: Reply) -> tuple[Question, str, tuple[str, ...], int]:
    return reply.question, reply.rcode, reply.addresses, reply.ttl


def test_replies_say_address_code_and_lifetime_and_silence_is_one(server: Server, port: socket.socket) -> None:
    begin = time.time()
    replies = Asker(port).once([FOUND, SIX, SILENT, NOBODY])
    assert [told(reply) for reply in replies] == [
        (FOUND, "NOERROR", ("10.1.0.0",), 5),
        (SIX, "NOERROR", (), 0),
        (SILENT, "", (), 0),
        (NOBODY, "NXDOMAIN", (), 0),
    ]
    assert all(begin <= reply.t <= time.time() for reply in replies)


def test_a_poller_asks_at_its_interval_and_a_silent_server_does_not_hold_it_up(
    server: Server, port: socket.socket
) -> None:
    begin = time.time()
    poller = Poller(port, [FOUND, SILENT], 0.02)
    thread = threading.Thread(target=poller.run)
    thread.start()
    while sum(reply.question == SILENT for reply in poller.replies) < 2:
        time.sleep(0.005)
    poller.stop()
    thread.join(5)
    found = [reply for reply in poller.replies if reply.question == FOUND]
    assert len(found) >= 5 and {reply.rcode for reply in found} == {"NOERROR"}
    assert all(reply.t - begin >= 0.02 * number for number, reply in enumerate(found))
    gaps = sorted(later.t - earlier.t for earlier, later in pairwise(found))
    assert gaps[len(gaps) // 2] < dns_client.WAIT_SECONDS


def test_an_answer_of_another_kind_is_not_an_address() -> None:
    answer = dns.message.make_response(dns.message.from_wire(FOUND.wire(7)))
    answer.answer.append(dns.rrset.from_text(f"{HOST}.", 5, "IN", "TXT", '"x"'))
    assert read(1.0, FOUND, answer.to_wire()) == Reply(1.0, FOUND, "NOERROR")

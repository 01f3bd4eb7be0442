"""A small DNS client: one question, or the same ones again and again, from wherever in the lab its socket stands."""

import secrets
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import dns.edns
import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype

from federation.lab.inside import inside

WAIT_SECONDS = 1.0
PORT = 53
DATAGRAM_MAX = 4096


@dataclass(frozen=True, slots=True)
class Question:
    """Ask `server` for `host`, A unless `kind` says AAAA; `subnet` (a CIDR) is sent as client subnet (RFC 7871)."""

    server: str
    host: str
    subnet: str = ""
    kind: str = "A"

    def wire(self, number: int) -> bytes:
        """The query with this id."""
        options: list[dns.edns.Option] = []
        if self.subnet:
            address, _, bits = self.subnet.partition("/")
            options.append(dns.edns.ECSOption(address, int(bits)))
        query = dns.message.make_query(self.host, self.kind, use_edns=0, options=options, id=number)
        return query.to_wire()


@dataclass(frozen=True, slots=True)
class Reply:
    """`t` is when the question was asked (Unix seconds). `rcode` is "" when nothing came within WAIT_SECONDS."""

    t: float
    question: Question
    rcode: str = ""
    addresses: tuple[str, ...] = ()
    ttl: int = 0


def open_socket(namespace: str) -> socket.socket:
    """A UDP socket that stays in the namespace whoever uses it."""

    def made() -> socket.socket:
        port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        port.setblocking(False)
        return port

    return inside(namespace, made)


def read(t: float, question: Question, data: bytes) -> Reply:
    """What a message says to the question; dns.exception.DNSException when it is none."""
    message = dns.message.from_wire(data)
    kind = dns.rdatatype.from_text(question.kind)
    sets = [rrset for rrset in message.answer if rrset.rdtype == kind]
    found = tuple(record.to_text() for rrset in sets for record in rrset)
    return Reply(t, question, dns.rcode.to_text(message.rcode()), found, min((one.ttl for one in sets), default=0))


def ask(namespace: str, question: Question) -> Reply:
    """One question; a reply without rcode when nobody answers."""
    with open_socket(namespace) as port:
        return Asker(port).once([question])[0]


@dataclass(slots=True)
class Asker:
    """Questions over one socket, matched to their answers by id and server."""

    port: socket.socket
    _asked: dict[int, tuple[float, Question]] = field(default_factory=dict)

    def send(self, question: Question) -> None:
        """Send one question; a server that cannot be reached is the same as one that does not answer."""
        number = secrets.randbelow(1 << 16)
        while number in self._asked:
            number = secrets.randbelow(1 << 16)
        self._asked[number] = (time.time(), question)
        try:
            self.port.sendto(question.wire(number), (question.server, PORT))
        except OSError:
            pass

    def receive(self, until: float) -> Iterator[Reply]:
        """What comes in until this Unix time, and what has waited too long."""
        while (left := until - time.time()) > 0 and self._asked:
            if not select.select([self.port], [], [], left)[0]:
                break
            yield from self._taken()
        late = [number for number, (t, _) in self._asked.items() if time.time() - t >= WAIT_SECONDS]
        yield from (Reply(*self._asked.pop(number)) for number in late)

    def _taken(self) -> Iterator[Reply]:
        try:
            data, (server, _) = self.port.recvfrom(DATAGRAM_MAX)
        except OSError:  # an ICMP error of an earlier question
            return
        number = int.from_bytes(data[:2])
        t, question = self._asked.get(number, (0.0, None))
        if question is None or question.server != server:
            return
        try:
            yield read(t, question, data)
        except dns.exception.DNSException:
            return
        del self._asked[number]

    def once(self, questions: list[Question]) -> list[Reply]:
        """Each question once; the replies in the questions' order."""
        for question in questions:
            self.send(question)
        found: dict[Question, Reply] = {}
        end = time.time() + WAIT_SECONDS
        while self._asked:
            found |= {reply.question: reply for reply in self.receive(end)}
        return [found[question] for question in questions]


class Poller:
    """Asks all its questions every `interval` seconds; `replies` grows as they come, in order of their coming."""

    def __init__(self, port: socket.socket, questions: list[Question], interval: float) -> None:
        """The socket is the caller's."""
        self.replies: list[Reply] = []
        self._asker, self._questions, self._interval = Asker(port), questions, interval
        self._stop = threading.Event()

    def run(self) -> None:
        """Until stop(); a round that took too long is not made up for."""
        due = time.time()
        while not self._stop.is_set():
            for question in self._questions:
                self._asker.send(question)
            due = max(due + self._interval, time.time())
            self.replies.extend(self._asker.receive(due))
            self._stop.wait(max(0.0, due - time.time()))

    def stop(self) -> None:
        """End run() after its round."""
        self._stop.set()


@contextmanager
def polling(namespace: str, questions: list[Question], interval: float) -> Iterator[Poller]:
    """A poller that asks from a namespace during the block."""
    with open_socket(namespace) as port:
        poller = Poller(port, questions, interval)
        thread = threading.Thread(target=poller.run)
        thread.start()
        try:
            yield poller
        finally:
            poller.stop()
            thread.join()

"""Echoes on demand: a few to many addresses at once, and what came back. Blocks; needs CAP_NET_RAW."""

import secrets
import select
import socket
import time
from collections.abc import Collection, Mapping, Sequence

from federation.model.errors import InputError
from federation.probing.echo import HEADER, REPLY6, request6
from gateways.probe.echo import ICMP6_FILTER, IP_HEADER, MTU_DISCOVER, PROBE, only

WHOLE_OR_NOT = PROBE
FRAGMENTS = 0
"""IPV6_PMTUDISC_DONT (ipv6(7)): what is too large for the device is cut into fragments."""

Answers = dict[tuple[str, int], float]


def echo_socket() -> socket.socket:
    """A socket that gets answers to echoes and does not block. InputError without the right to it."""
    try:
        port = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    except OSError as error:
        raise InputError(
            f"echoes cannot be sent: {error.strerror}; run it as root or with CAP_NET_RAW", "E122"
        ) from None
    port.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, only(REPLY6))
    port.setblocking(False)
    return port


class Burst:
    """A socket of its own."""

    def __init__(self) -> None:
        """InputError without the right to it."""
        self._port = echo_socket()

    def close(self) -> None:
        """Close the socket."""
        self._port.close()

    def send(
        self, addresses: Collection[str], sizes: Sequence[int], pause: float, patience: float, fragments: bool = False
    ) -> Answers:
        """An echo of each size to every address, `pause` seconds apart; the seconds until it was answered, by address
        and place among `sizes`. What is not answered `patience` seconds after the last is not in it.
        """
        self._port.setsockopt(socket.IPPROTO_IPV6, MTU_DISCOVER, FRAGMENTS if fragments else WHOLE_OR_NOT)
        mark, sent, answers = secrets.randbelow(1 << 16), dict[tuple[str, int], float](), Answers()
        for place, size in enumerate(sizes):
            packet = request6(mark, place).ljust(size - IP_HEADER, b"\0")
            for address in addresses:
                try:
                    self._port.sendto(packet, (address, 0))
                except OSError:
                    continue
                sent[(address, place)] = time.monotonic()
            self._collect(mark, sent, answers, time.monotonic() + pause)
        self._collect(mark, sent, answers, time.monotonic() + patience)
        return answers

    def _collect(self, mark: int, sent: Mapping[tuple[str, int], float], answers: Answers, until: float) -> None:
        while (left := until - time.monotonic()) > 0:
            if not select.select([self._port], [], [], left)[0]:
                return
            data, source = self._port.recvfrom(128)
            if len(data) < HEADER.size:
                continue
            kind, _, _, seen, place = HEADER.unpack_from(data)
            begin = sent.get((source[0], place))
            if kind == REPLY6 and seen == mark and begin is not None:
                answers.setdefault((source[0], place), time.monotonic() - begin)

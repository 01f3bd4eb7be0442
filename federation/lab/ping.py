"""Round trips between the lab's machines, by ICMP echo from a socket in a namespace."""

import os
import select
import socket
import struct
import time

from federation.lab.inside import inside

ECHO, ECHO_REPLY = 8, 0
IP_HEADER = 20


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data)) + (data[-1] << 8 if len(data) % 2 else 0)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def echo(identity: int, number: int, size: int) -> bytes:
    """An ICMP echo request with `size` bytes of payload."""
    payload = bytes(size)
    head = struct.pack("!BBHHH", ECHO, 0, 0, identity, number)
    return struct.pack("!BBHHH", ECHO, 0, checksum(head + payload), identity, number) + payload


def ping(
    namespace: str, address: str, count: int = 5, interval: float = 0.02, wait: float = 1.0, size: int = 56
) -> list[float | None]:
    """Round trips in ms of `count` echoes sent from `namespace`; None for each that did not return within
    `wait` s.
    """
    return inside(namespace, lambda: _ping(address, count, interval, wait, size))


def _ping(address: str, count: int, interval: float, wait: float, size: int) -> list[float | None]:
    identity = os.urandom(2)
    sent: list[float] = []
    back: list[float | None] = [None] * count
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as port:
        port.connect((address, 0))
        begin = time.perf_counter()
        end = begin + (count - 1) * interval + wait
        while (now := time.perf_counter()) < end and (len(sent) < count or None in back):
            if len(sent) < count and now >= begin + len(sent) * interval:
                sent.append(time.perf_counter())
                port.send(echo(int.from_bytes(identity), len(sent) - 1, size))
                continue
            due = begin + len(sent) * interval if len(sent) < count else end
            if select.select([port], [], [], max(0.0, due - now))[0]:
                _take(port.recv(65535)[IP_HEADER:], identity, sent, back)
    return back


def _take(packet: bytes, identity: bytes, sent: list[float], back: list[float | None]) -> None:
    if packet[0] == ECHO_REPLY and packet[4:6] == identity:
        number = int.from_bytes(packet[6:8])
        if number < len(sent) and back[number] is None:
            back[number] = (time.perf_counter() - sent[number]) * 1000

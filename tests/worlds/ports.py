"""Ports for programs that tests start."""

import random
import socket
from contextlib import ExitStack

FIRST, LAST = 10_000, 32_000
"""Below what the kernel gives to outgoing connections (ip(7), ip_local_port_range): none of those, of any process, takes
a port between its being found and its being used.
"""
_given: set[int] = set()


def free_port() -> int:
    """A port of 127.0.0.1 where nobody listens, in TCP and UDP; never the same twice."""
    order = random.SystemRandom()
    while (port := order.randrange(FIRST, LAST)) in _given or not _free(port):
        pass
    _given.add(port)
    return port


def _free(port: int) -> bool:
    with ExitStack() as stack:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            one = stack.enter_context(socket.socket(type=kind))
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True

"""Ask pods: `tcp HOST PORT [SOURCE_PORT]`, `udp ...`: what it answers, or nothing; `scan HOST SOURCE_PORT PORT...`: the
ports of both protocols that answer; `beat-tcp HOST PORT`, `beat-udp ...`: a question each 20 ms from one socket, and of each
answer a line: the Unix second when it came, and what it says. From the address in SOURCE, where that is set.
"""

import contextlib
import errno
import os
import selectors
import socket
import sys
import threading
import time

PATIENCE = 1.0
TOGETHER = 200
PAUSE = 0.02


def place(host: str, source: int) -> tuple[str, int]:
    return (os.environ.get("SOURCE") or ("::" if ":" in host else "0.0.0.0"), source)


def tcp(host: str, port: int, source: int = 0) -> str:
    with socket.create_connection((host, port), PATIENCE, place(host, source)) as stream:
        stream.sendall(b"who\n")
        return stream.recv(200).decode()


def udp(host: str, port: int, source: int = 0) -> str:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as box:
        box.bind(place(host, source))
        box.settimeout(PATIENCE)
        box.sendto(b"who", (host, port))
        return box.recvfrom(200)[0].decode()


def beat_tcp(host: str, port: int) -> None:
    with socket.create_connection((host, port), 5.0) as stream, stream.makefile("r") as answers:
        stream.settimeout(None)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=ask_on, args=(stream,), daemon=True).start()
        for line in answers:
            tell(line)


def beat_udp(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as box:
        box.connect((host, port))
        threading.Thread(target=ask_on, args=(box,), daemon=True).start()
        while True:
            tell(box.recv(200).decode())


def ask_on(box: socket.socket) -> None:
    while True:
        box.sendall(b"who\n")
        time.sleep(PAUSE)


def tell(said: str) -> None:
    print(f"{time.time():.3f} {said.strip()}", flush=True)


def scan(host: str, source: int, *ports: int) -> None:
    """A port that refuses is one that was reached: it counts. That somebody on the way knows no way there does not."""
    for first in range(0, len(ports), TOGETHER):
        waiting = selectors.DefaultSelector()
        for port in ports[first : first + TOGETHER]:
            waiting.register(opened(socket.SOCK_STREAM, host, source, port), selectors.EVENT_WRITE, f"tcp:{port}")
            asked = opened(socket.SOCK_DGRAM, host, source, port)
            asked.send(b"who")
            waiting.register(asked, selectors.EVENT_READ, f"udp:{port}")
        while found := waiting.select(PATIENCE):
            for key, _ in found:
                waiting.unregister(key.fileobj)
                if said(key.fileobj) in (0, errno.ECONNREFUSED):  # type: ignore[arg-type]
                    print(key.data, flush=True)
                key.fileobj.close()  # type: ignore[union-attr]
        for key in list(waiting.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]


def said(box: socket.socket) -> int:
    """What came of it: an error's number, or 0."""
    return box.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def opened(kind: socket.SocketKind, host: str, source: int, port: int) -> socket.socket:
    """Connected, or on its way."""
    box = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    box.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    box.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    box.bind(place(host, source))
    box.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        box.connect((host, port))
    return box


verb, target, *numbers = sys.argv[1:]
verbs = {"tcp": tcp, "udp": udp, "beat-tcp": beat_tcp, "beat-udp": beat_udp, "scan": scan}
done = verbs[verb](target, *map(int, numbers))  # type: ignore[operator]
print(done or "", end="")

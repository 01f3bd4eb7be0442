"""Ask pods: `tcp HOST PORT [SOURCE_PORT]`, `udp ...`: what it answers, or nothing; `scan HOST SOURCE_PORT PORT...`: the
ports of both protocols that answer; `hold HOST PORT`: a connection, an answer for each line of standard input. From the
address in SOURCE, where that is set.
"""

import contextlib
import os
import socket
import sys

PATIENCE = 1.0
TOGETHER = 200


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


def hold(host: str, port: int) -> None:
    with socket.create_connection((host, port), 5.0) as stream:
        stream.settimeout(20.0)
        for _ in sys.stdin:
            stream.sendall(b"who\n")
            print(stream.recv(200).decode(), end="", flush=True)


def scan(host: str, source: int, *ports: int) -> None:
    """A port that refuses is one that was reached: it counts."""
    import selectors

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for kind, word in ((socket.SOCK_STREAM, "tcp"), (socket.SOCK_DGRAM, "udp")):
        for first in range(0, len(ports), TOGETHER):
            waiting = selectors.DefaultSelector()
            for port in ports[first : first + TOGETHER]:
                box = socket.socket(family, kind)
                box.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                box.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                box.bind(place(host, source))
                box.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    box.connect((host, port))
                if word == "udp":
                    box.send(b"who")
                waiting.register(box, selectors.EVENT_READ if word == "udp" else selectors.EVENT_WRITE, port)
            while found := waiting.select(PATIENCE):
                for key, _ in found:
                    print(f"{word}:{key.data}", flush=True)
                    waiting.unregister(key.fileobj)
                    key.fileobj.close()  # type: ignore[union-attr]
            for key in list(waiting.get_map().values()):
                key.fileobj.close()  # type: ignore[union-attr]


verb, target, *numbers = sys.argv[1:]
done = {"tcp": tcp, "udp": udp, "hold": hold, "scan": scan}[verb](target, *map(int, numbers))  # type: ignore[operator]
print(done or "", end="")

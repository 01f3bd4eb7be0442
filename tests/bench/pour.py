"""`pour.py ADDRESS PORT`: an HTTP/1.1 server that answers `GET /bytes/N` with N bytes, one thread a connection."""

import re
import socket
import sys
import threading

CHUNK = memoryview(bytes(1 << 20))


def serve(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    held = b""
    try:
        while True:
            while b"\r\n\r\n" not in held:
                more = connection.recv(65_536)
                if not more:
                    return
                held += more
            head, _, held = held.partition(b"\r\n\r\n")
            found = re.match(rb"GET /bytes/(\d+) ", head)
            count = int(found[1]) if found else 0
            answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % count
            first = min(count, 16_384)
            connection.sendall(answer + CHUNK[:first])
            count -= first
            while count:
                connection.sendall(CHUNK[:count])
                count -= min(count, len(CHUNK))
    except OSError:
        return
    finally:
        connection.close()


if __name__ == "__main__":
    six = ":" in sys.argv[1]
    family = socket.AF_INET6 if six else socket.AF_INET
    with socket.create_server((sys.argv[1], int(sys.argv[2])), family=family, dualstack_ipv6=six) as port:
        while True:
            threading.Thread(target=serve, args=(port.accept()[0],), daemon=True).start()

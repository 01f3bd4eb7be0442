"""A pod that answers with whom it sees: each line over TCP, each datagram. Arguments: tcp:PORT or udp:PORT.

Ports are shared, so that who asks from here may do it from the same ones.
"""

import socket
import sys
import threading


def seen(address: tuple[str, int, int, int]) -> bytes:
    return f"{address[0].removeprefix('::ffff:')} {address[1]}\n".encode()


def talk(stream: socket.socket, caller: bytes) -> None:
    with stream, stream.makefile("rb") as lines:
        for _ in lines:
            stream.sendall(caller)


def tcp(port: int) -> None:
    door = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, reuse_port=True)
    while True:
        stream, address = door.accept()
        threading.Thread(target=talk, args=(stream, seen(address)), daemon=True).start()


def udp(port: int) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as box:
        box.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        box.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        box.bind(("::", port))
        while True:
            _, address = box.recvfrom(65_535)
            box.sendto(seen(address), address)


running = []
for word in sys.argv[1:]:
    kind, _, number = word.partition(":")
    running.append(threading.Thread(target={"tcp": tcp, "udp": udp}[kind], args=(int(number),), daemon=True))
    running[-1].start()
print("there", flush=True)
running[0].join()

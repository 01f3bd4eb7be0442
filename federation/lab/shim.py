"""The WAN as a program: packet sockets on veth ends, the Switch between them, a unix socket to change the
weather.
"""

import json
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import NoReturn

from federation.lab.switch import FIELDS, Switch

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_QDISC_BYPASS = 20
PACKET_IGNORE_OUTGOING = 23
BUFFER = 8 << 20
BATCH = 64
FRAME_MAX = 65535


def open_port(interface: str) -> socket.socket:
    """A raw socket on one interface of this namespace that sees incoming frames only."""
    port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    port.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    port.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
    for option in (33, 32):  # SO_RCVBUFFORCE, SO_SNDBUFFORCE; plain limits in a user namespace
        try:
            port.setsockopt(socket.SOL_SOCKET, option, BUFFER)
        except PermissionError:
            port.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF if option == 33 else socket.SO_SNDBUF, BUFFER)
    port.bind((interface, ETH_P_ALL))
    port.setblocking(False)
    return port


class Control:
    """The control socket: one JSON object a line, one answer a line."""

    def __init__(self, path: Path, switch: Switch) -> None:
        """Listen at `path`, over what a killed predecessor left there; answers come from `switch`."""
        self._switch = switch
        self._path = path
        path.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen(8)
        self.listener.setblocking(False)
        self.clients: dict[socket.socket, bytes] = {}

    def ready(self, connection: socket.socket) -> None:
        """Serve the listener or one client that select() found readable."""
        if connection is self.listener:
            client, _ = connection.accept()
            client.setblocking(True)
            client.settimeout(1)
            self.clients[client] = b""
            return
        try:
            data = connection.recv(65536)
            *lines, rest = (self.clients[connection] + data).split(b"\n")
            for line in lines:
                connection.sendall(json.dumps(answer(self._switch, line)).encode() + b"\n")
        except OSError:
            data, rest = b"", b""
        self.clients[connection] = rest
        if not data or len(rest) > 65536:
            del self.clients[connection]
            connection.close()

    def close(self) -> None:
        """Stop listening and remove the socket's file."""
        for client in self.clients:
            client.close()
        self.listener.close()
        self._path.unlink(missing_ok=True)


def answer(switch: Switch, line: bytes) -> dict[str, object]:
    """The answer to one line: {"op": "get"} or {"op": "set", "from", "to", settings...}."""
    try:
        request = json.loads(line)
        if request.get("op") == "get":
            return {"ok": True, "pairs": switch.get()}
        if request.get("op") != "set":
            return {"ok": False, "error": 'op must be "get" or "set"'}
        values = {key: value for key, value in request.items() if key not in ("op", "from", "to")}
        switch.set(str(request.get("from")), str(request.get("to")), values)
        return {"ok": True}
    except (ValueError, AttributeError) as error:
        return {"ok": False, "error": str(error)}


def forward(switch: Switch, ports: list[socket.socket], control: Control) -> NoReturn:
    """Pass frames for ever. select() is used for its microsecond timeouts; epoll rounds up to 1 ms."""
    index = {port: i for i, port in enumerate(ports)}
    clock = time.monotonic
    while True:
        at = switch.next_time()
        wait = None if at is None else max(0.0, at - clock())
        watched = [*ports, control.listener, *control.clients]
        for ready in select.select(watched, [], [], wait)[0]:
            port = index.get(ready)
            if port is None:
                control.ready(ready)
                continue
            drain(switch, ready, port, clock())
            flush(switch, ports, clock())
        flush(switch, ports, clock())


def drain(switch: Switch, source: socket.socket, port: int, now: float) -> None:
    """Take up to BATCH frames from one port."""
    try:
        for _ in range(BATCH):
            switch.accept(now, port, source.recv(FRAME_MAX))
    except OSError:  # empty, or the interface went down
        pass


def flush(switch: Switch, ports: list[socket.socket], now: float) -> None:
    """Send what is due; a full or missing device loses the frame, as a wire would."""
    for port, frame in switch.due(now):
        try:
            ports[port].send(frame)
        except OSError:
            pass


def serve(control: Path, interfaces: tuple[str, ...], seed: int, delays: dict[tuple[str, str], float]) -> None:
    """The program `isthmus lab shim`: run until SIGTERM. `delays` are one-way, in ms."""
    switch = Switch(interfaces, seed)
    for (source, target), delay in delays.items():
        switch.set(source, target, {"delay_ms": delay})
    ports = [open_port(interface) for interface in interfaces]
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: sys.exit(0))
    listening = Control(control, switch)
    try:
        forward(switch, ports, listening)
    finally:
        listening.close()


def ask(control: Path, request: dict[str, object]) -> dict[str, object]:
    """Send one request to a running shim; ValueError with its words when it refuses, OSError when it is
    not there.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(5)
        connection.connect(str(control))
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile("rb") as stream:
            reply: dict[str, object] = json.loads(stream.readline() or b'{"ok": false, "error": "the WAN ended"}')
    if not reply["ok"]:
        raise ValueError(reply["error"])
    return reply


def set_direction(control: Path, source: str, target: str, values: dict[str, object]) -> None:
    """Change settings of one direction of a running WAN; the names are those of switch.FIELDS."""
    assert set(values) <= set(FIELDS)
    ask(control, {"op": "set", "from": source, "to": target, **values})

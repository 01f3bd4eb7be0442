"""Look at a program through its interface on a unix socket."""

import http.client
import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

TIMEOUT_SECONDS = 5.0


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_SECONDS)
        self.sock.connect(str(self._path))


def get(path: Path, resource: str, **query: str) -> dict[str, Any]:
    """The JSON object at `resource`; OSError when nobody answers, ValueError when the answer is not 200
    with an object.
    """
    status, body = _answer(path, resource + (f"?{urlencode(query)}" if query else ""))
    said = json.loads(body) if status == 200 else None
    if not isinstance(said, dict):
        raise ValueError(f"{resource} answered {status}: {body[:200]!r}")
    return said


def text(path: Path, resource: str) -> str:
    """The text at `resource`; OSError when nobody answers, ValueError when the answer is not 200."""
    status, body = _answer(path, resource)
    if status != 200:
        raise ValueError(f"{resource} answered {status}: {body[:200]!r}")
    return body.decode(errors="replace")


def _answer(path: Path, resource: str) -> tuple[int, bytes]:
    connection = _UnixConnection(path)
    try:
        connection.request("GET", resource)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as error:
        raise OSError(f"{path}: {error!r}") from None
    finally:
        connection.close()


def problems(status: dict[str, Any], members: tuple[str, ...]) -> list[str]:
    """What in a /v1/status is not yet as it must be in a lab of these members; [] when all is well. Pure."""
    me = status.get("member")
    found = []
    sessions = {row["member"]: row["session"] for row in status.get("members", [])}
    for other in members:
        if other != me and sessions.get(other) != "up":
            found.append(f"{me}: the session with {other} is {sessions.get(other, 'absent')}")
    nodes = status.get("nodes", [])
    for role in ("gateway", "node", "dns"):
        if not any(row.get("role") == role for row in nodes):
            found.append(f"{me}: no {role} has reported")
    for row in nodes:
        if not row.get("current"):
            why = "; ".join(row.get("problems") or []) or f"reached {row.get('reached')} of {row.get('wanted')}"
            found.append(f"{me}: {row.get('node')} is not current: {why}")
    linked = {row.get("member") for row in status.get("links", []) if _age(row) >= 0}
    found += [f"{me}: no WireGuard handshake with {other}" for other in members if other not in (me, *linked)]
    return found


def _age(link: dict[str, Any]) -> float:
    age = link.get("handshake_age")
    return -1.0 if age is None else float(age)

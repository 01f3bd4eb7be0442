"""An ordinary HTTP client in a pod, and what it says of each request."""

import http.client
import json
import time
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

TIMEOUT_SECONDS = 5.0
POSTED = b"posted by the lab\n"


@dataclass(frozen=True, slots=True)
class Result:
    """One request.

    `t` is when it was due (Unix seconds), `ms` from then to the end of its answer with name resolution, `address` whom
    it connected to; `service`, `member`, `spiffe` and `by` are what the endpoint said of itself and of the caller.
    """

    t: float
    ok: bool
    status: int
    endpoint: str
    service: str
    member: str
    spiffe: str
    by: str
    address: str
    ms: float
    error: str


def failed(t: float, ms: float, error: str, address: str = "") -> Result:
    """A request without an answer."""
    return Result(t, False, 0, "", "", "", "", "", address, ms, error)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asks: `host` stands in for the URL's in the Host header, `keep` is one connection for all requests
    instead of one for each, `timeout` the deadline of a whole request in seconds.
    """

    url: str
    keep: bool = False
    timeout: float = TIMEOUT_SECONDS
    method: str = "GET"
    host: str = ""


class Client:
    """Requests to one URL through the system's resolver, one at a time, each sent once."""

    def __init__(self, asked: Asked) -> None:
        """ValueError when the URL is not http://HOST[:PORT]/PATH."""
        self._asked = asked
        self._url: SplitResult = urlsplit(asked.url)
        if self._url.scheme != "http" or not self._url.hostname:
            raise ValueError(f'URL "{asked.url}": must be http://HOST[:PORT][/PATH]')
        self._path = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        self._headers = {"Host": asked.host} if asked.host else {}
        self._connection: http.client.HTTPConnection | None = None

    def request(self, due: float | None = None) -> Result:
        """One request that was due at this monotonic time (None: now); failures are in the result, never raised."""
        due = time.monotonic() if due is None else due
        t, address = time.time() - (time.monotonic() - due), ""
        try:
            connection = self._connected(due)
            address = connection.sock.getpeername()[0]
            body = POSTED if self._asked.method == "POST" else None
            connection.request(self._asked.method, self._path, body, self._headers)
            connection.sock.settimeout(self._left(due))
            answer = connection.getresponse()
            text = answer.read()
            self._left(due)
        except (OSError, http.client.HTTPException) as error:
            self._close()
            return failed(t, _since(due), f"{type(error).__name__}: {error}", address)
        if not self._asked.keep or answer.will_close:
            self._close()
        said, good = _fields(text), answer.status == 200
        return Result(
            t,
            good,
            answer.status,
            answer.headers.get("x-endpoint", ""),
            said.get("service", ""),
            said.get("member", ""),
            said.get("spiffe", ""),
            said.get("by", ""),
            address,
            _since(due),
            "" if good else text[:200].decode(errors="replace"),
        )

    def _connected(self, due: float) -> http.client.HTTPConnection:
        left = self._left(due)
        if self._connection is None:
            connection = http.client.HTTPConnection(self._url.hostname or "", self._url.port or 80, timeout=left)
            connection.connect()
            self._connection = connection
        self._connection.sock.settimeout(self._left(due))
        return self._connection

    def _left(self, due: float) -> float:
        left = due + self._asked.timeout - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"no answer within {self._asked.timeout:g} s")
        return left

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _since(begin: float) -> float:
    return round((time.monotonic() - begin) * 1000, 3)


def _fields(body: bytes) -> dict[str, str]:
    try:
        said = json.loads(body)
    except ValueError:
        return {}
    return {key: str(value) for key, value in said.items()} if isinstance(said, dict) else {}

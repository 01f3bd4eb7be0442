"""The program `isthmus lab client`: an ordinary HTTP client in a pod, one JSON line a request."""

import http.client
import json
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from urllib.parse import SplitResult, urlsplit

TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Result:
    """One request.

    `t` is its begin (Unix seconds), `ms` its time with name resolution, `address` whom it connected to;
    `member`, `spiffe` and `by` are what the endpoint said of itself and of the caller.
    """

    t: float
    ok: bool
    status: int
    endpoint: str
    member: str
    spiffe: str
    by: str
    address: str
    ms: float
    error: str


class Client:
    """Requests to one URL through the system's resolver; a connection of its own for each unless `keep`."""

    def __init__(self, url: str, keep: bool = False, timeout: float = TIMEOUT_SECONDS) -> None:
        """ValueError when the URL is not http://HOST[:PORT]/PATH."""
        self._url: SplitResult = urlsplit(url)
        if self._url.scheme != "http" or not self._url.hostname:
            raise ValueError(f'URL "{url}": must be http://HOST[:PORT][/PATH]')
        self._keep, self._timeout = keep, timeout
        self._connection: http.client.HTTPConnection | None = None

    def request(self) -> Result:
        """One request; failures are in the result, never raised."""
        t, begin, address = time.time(), time.perf_counter(), ""
        try:
            connection = self._connected()
            address = connection.sock.getpeername()[0]
            connection.request("GET", (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else ""))
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._close()
            return Result(t, False, 0, "", "", "", "", address, _since(begin), f"{type(error).__name__}: {error}")
        if not self._keep or answer.will_close:
            self._close()
        said, good = _fields(body), answer.status == 200
        return Result(
            t,
            good,
            answer.status,
            answer.headers.get("x-endpoint", ""),
            said.get("member", ""),
            said.get("spiffe", ""),
            said.get("by", ""),
            address,
            _since(begin),
            "" if good else body[:200].decode(errors="replace"),
        )

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is None:
            connection = http.client.HTTPConnection(
                self._url.hostname or "", self._url.port or 80, timeout=self._timeout
            )
            connection.connect()
            self._connection = connection
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def results(client: Client, count: int, rate: float, deadline: float, until: str) -> Iterator[Result]:
    """Requests one after the other until one of the bounds is met.

    `count` requests (0: no limit), `rate` begun a second (0: back to back), `deadline` in seconds (0: no
    limit), an answer that bears the endpoint name `until`.
    """
    begin = time.monotonic()
    done = 0
    while (count == 0 or done < count) and (deadline == 0 or time.monotonic() - begin < deadline):
        result = client.request()
        yield result
        done += 1
        if until and result.endpoint == until:
            return
        if rate:
            time.sleep(max(0.0, begin + done / rate - time.monotonic()))


def run(
    url: str,
    *,
    count: int,
    rate: float,
    deadline: float,
    until: str,
    keep: bool,
    timeout: float,
    parallel: int = 1,
) -> int:
    """Print one JSON line a request; 0 when all were answered with 200 (with `until`: when it answered).

    With `parallel` so many clients each make `count` requests.
    """
    clients = [Client(url, keep, timeout) for _ in range(parallel)]
    good: list[bool] = []

    def work(client: Client) -> None:
        for result in results(client, count, rate, deadline, until):
            good.append(result.endpoint == until if until else result.ok)
            sys.stdout.write(json.dumps(asdict(result)) + "\n")
            sys.stdout.flush()

    if parallel == 1:
        work(clients[0])
    else:
        threads = [threading.Thread(target=work, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return 0 if (any(good) if until else all(good)) else 1


def _since(begin: float) -> float:
    return round((time.perf_counter() - begin) * 1000, 3)


def _fields(body: bytes) -> dict[str, str]:
    try:
        said = json.loads(body)
    except ValueError:
        return {}
    return {key: str(value) for key, value in said.items()} if isinstance(said, dict) else {}

"""What every process shows of itself: structured logs on stderr and Prometheus metrics over HTTP."""

import json
import logging
import sys
import time

from prometheus_client import start_http_server

from federation.model.errors import InputError

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (RFC 3339, UTC), level, process, logger, message, and every `extra` field."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """The line for this record."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update({key: value for key, value in vars(record).items() if key not in _PLAIN})
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def setup_logging(process: str, level: int = logging.INFO) -> None:
    """Send every log line of this process to stderr as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(process))
    logging.basicConfig(handlers=[handler], level=level, force=True)


class Problems:
    """Logs each problem of a program once when it comes and once when it is gone."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._said: tuple[str, ...] = ()

    def say(self, found: tuple[str, ...]) -> None:
        """These are the problems now, one line each."""
        if found == self._said:
            return
        now, before = set(found), set(self._said)
        for line in found:
            if line not in before:
                self._log.warning("problem", extra={"problem": line})
        for line in self._said:
            if line not in now:
                self._log.info("problem is gone", extra={"problem": line})
        self._said = found


def split_address(text: str, what: str) -> tuple[str, int]:
    """`ip:port` or `[v6]:port` as host and port; InputError naming `what`."""
    host, _, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not bare or (":" in bare) != (bare != host) or not port.isdigit() or not 0 < int(port) < 65536:
        text = f'{what} "{text}": write it as ADDRESS:PORT or [IPV6]:PORT with a port of 1 to 65535'
        raise InputError(text, "E122")
    return bare, int(port)


def join_address(host: str, port: int) -> str:
    """What `split_address` makes of it: `ip:port` or `[v6]:port`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def serve_metrics(address: str | None) -> None:
    """Serve /metrics on `ip:port` in a thread of its own; nothing when None. InputError when the port is in use."""
    if address is None:
        return
    host, port = split_address(address, "--metrics")
    try:
        start_http_server(port, host)
    except OSError as error:
        raise InputError(f'--metrics "{address}": {error.strerror}; choose another address or port', "E122") from None

"""The double as a process: `isthmus lab kubernetes`."""

import asyncio
import base64
import json
import signal
from ipaddress import ip_network
from pathlib import Path

from federation.lab.kubernetes import certificate
from federation.lab.kubernetes.server import ApiServer
from federation.lab.kubernetes.users import read_tokens
from federation.model.errors import InputError

RANGE = "10.96.0.0/16"


def kubeconfig(url: str, token: str, pem: bytes, name: str = "double") -> str:
    """A kubeconfig (JSON is YAML) with one context; without token or certificate where those are empty."""
    cluster = {"server": url}
    if pem:
        cluster["certificate-authority-data"] = base64.b64encode(pem).decode()
    said = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"token": token} if token else {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }
    return json.dumps(said, indent=2) + "\n"


def address(listen: str) -> tuple[str, int]:
    """Host and port of ADDR:PORT; InputError for anything else."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise InputError(f"--listen {listen}: it is not ADDR:PORT with a port up to 65535")
    return host.strip("[]"), int(port)


def server(ranges: tuple[str, ...], token_file: Path | None) -> ApiServer:
    """A double with these service ranges and users; InputError for what cannot be read."""
    try:
        networks = tuple(ip_network(one) for one in ranges or (RANGE,))
    except ValueError as error:
        raise InputError(f"--service-range: {error}") from None
    if len({one.version for one in networks}) != len(networks):
        raise InputError("--service-range: give at most one range of each family, the default family first")
    try:
        users = read_tokens(token_file) if token_file else {}
    except (OSError, ValueError) as error:
        raise InputError(f"--token-file {token_file}: {error}") from None
    return ApiServer(networks, users)


async def serve(double: ApiServer, host: str, port: int, tls: bool, config: Path | None) -> None:
    """Listen, with a certificate of its own if asked to, until SIGTERM or SIGINT; OSError without the address."""
    context, pem = certificate.context(host) if tls else (None, b"")
    await double.start(host, port, context)
    if config is not None:
        masters = (token for token, user in double.tokens.known.items() if "system:masters" in user.groups)
        config.write_text(kubeconfig(double.url, next(masters, ""), pem))
    print(f"Kubernetes API double at {double.url}", flush=True)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    await double.stop()

"""Just enough of kubeconfig (client.config v1) to reach one API server: certificates, token, token file.

Exec and auth-provider plugins need the `kubernetes` package (extra `k8s-auth`) and are refused here with that hint.
"""

from __future__ import annotations

import base64
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from federation.model.errors import InputError


@dataclass(frozen=True)
class KubeAccess:
    """Where the API server is and how to speak to it. `tls` is False for plain http."""

    server: str
    tls: ssl.SSLContext | bool
    token: str = ""
    token_file: Path | None = None

    def headers(self) -> dict[str, str]:
        """Headers of a request; a token file is read anew each time, since kubelets rotate it."""
        token = self.token_file.read_text().strip() if self.token_file else self.token
        return {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})


def read_kubeconfig(path: Path) -> KubeAccess:
    """The current context of this file. InputError when it is missing, malformed or needs a plugin."""
    try:
        config = yaml.safe_load(path.read_text())
        context = _named(config, "contexts", config["current-context"])["context"]
        cluster = _named(config, "clusters", context["cluster"])["cluster"]
        user = _named(config, "users", context["user"]).get("user") or {}
        server = cluster["server"].rstrip("/")
    except OSError as error:
        raise InputError(f'--kubeconfig "{path}": {error.strerror}') from None
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f'--kubeconfig "{path}": is not a kubeconfig with a current context ({error})') from None
    for plugin in ("exec", "auth-provider"):
        if plugin in user:
            raise InputError(
                f'--kubeconfig "{path}": user needs "{plugin}", which this adapter does not run; use a token'
            )
    tls = _tls(cluster, user, path) if server.startswith("https://") else False
    token_file = Path(user["tokenFile"]) if "tokenFile" in user else None
    return KubeAccess(server, tls, user.get("token", ""), token_file)


def _named(config: dict[str, Any], what: str, name: str) -> dict[str, Any]:
    found = next((item for item in config[what] if item["name"] == name), None)
    if found is None:
        raise KeyError(f'{what}: no "{name}"')
    return dict(found)


def _tls(cluster: dict[str, Any], user: dict[str, Any], path: Path) -> ssl.SSLContext:
    if cluster.get("insecure-skip-tls-verify"):
        raise InputError(f'--kubeconfig "{path}": insecure-skip-tls-verify is not supported; give the CA', "E122")
    authority = _bytes(cluster, "certificate-authority")
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    certificate, key = _bytes(user, "client-certificate"), _bytes(user, "client-key")
    if certificate and key:
        with tempfile.TemporaryDirectory() as directory:
            pem = Path(directory) / "client.pem"
            pem.touch(0o600)
            pem.write_bytes(key + b"\n" + certificate)
            context.load_cert_chain(pem)
    return context


def _bytes(source: dict[str, Any], name: str) -> bytes:
    if f"{name}-data" in source:
        return base64.b64decode(source[f"{name}-data"])
    return Path(source[name]).read_bytes() if name in source else b""

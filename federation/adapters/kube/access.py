"""How one API server is reached: address, TLS, and the bearer token of the moment."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from federation.model.errors import InputError, Unavailable

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its token and the API server's CA."""


@dataclass(frozen=True)
class KubeAccess:
    """Where the API server is and how to speak to it. `tls` is False for plain http.

    `plugin` gives the token by running another program, so it may take seconds.
    """

    server: str
    tls: ssl.SSLContext | bool
    token: str = ""
    token_file: Path | None = None
    plugin: Callable[[], str] | None = None

    def headers(self) -> dict[str, str]:
        """Headers of a request; a token file is read anew each time, since kubelets rotate it. Unavailable when it
        cannot be read.
        """
        return {"Accept": "application/json"} | (
            {"Authorization": f"Bearer {token}"} if (token := self._token()) else {}
        )

    def _token(self) -> str:
        if self.plugin is not None:
            return self.plugin()
        if self.token_file is None:
            return self.token
        try:
            return self.token_file.read_text().strip()
        except OSError as error:
            raise Unavailable(f"token file {self.token_file}: {error.strerror}") from None


def in_cluster(account: Path = ACCOUNT) -> KubeAccess:
    """The API server of the cluster in which this process is a pod. InputError when it is none."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "")
    if not host or not port:
        missing = "KUBERNETES_SERVICE_PORT" if host else "KUBERNETES_SERVICE_HOST"
        raise InputError(f"--in-cluster: {missing} is not set: this is no pod; use --kubeconfig FILE")
    authority, token = account / "ca.crt", account / "token"
    try:
        tls = ssl.create_default_context(cadata=authority.read_text())
        token.read_text()
    except (ssl.SSLError, ValueError) as error:
        raise InputError(f"--in-cluster: {authority} is no CA certificate ({error})") from None
    except OSError as error:
        what = f"{error.filename}: {error.strerror}"
        raise InputError(f"--in-cluster: {what}; give the pod a service account whose token is mounted") from None
    return KubeAccess(f"https://{f'[{host}]' if ':' in host else host}:{port}", tls, token_file=token)

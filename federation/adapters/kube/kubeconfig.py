"""Kubeconfig (client.config v1): one or more files, a context by name; certificates, token, token file.

What needs an exec or auth-provider plugin is read by the `kubernetes` package (extra `k8s-auth`), loaded only then.
"""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from federation.adapters.kube.access import KubeAccess
from federation.model.errors import InputError, Unavailable

PLUGINS = ("exec", "auth-provider")
PLUGIN_SECONDS = 600.0
"""How long a plugin's token is kept when it does not say; one that says is renewed when it ends."""
_FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
Part = dict[str, Any]


def read_kubeconfig(path: Path, context: str | None = None) -> KubeAccess:
    """The context of this name, or the current one. Several files are joined as in KUBECONFIG: with ":" between them,
    the first that says something holds. InputError when one is missing or malformed or a plugin cannot be run.
    """
    where = f'--kubeconfig "{path}"'
    config = _joined(path)
    try:
        name = context or config["current-context"]
        found = _named(config, "contexts", name)["context"]
        cluster = _named(config, "clusters", found["cluster"])["cluster"]
        user = _named(config, "users", found["user"]).get("user") or {} if "user" in found else {}
        server = cluster["server"].rstrip("/")
    except (KeyError, TypeError, AttributeError) as error:
        what = f'context "{context}"' if context else "a current context"
        raise InputError(f"{where}: is not a kubeconfig with {what} ({error})") from None
    plugin = next((name for name in PLUGINS if name in user), None)
    token = None if plugin is None else _plugin_token(path, name, plugin)
    tls = _tls(cluster, user, path) if server.startswith("https://") else False
    token_file = Path(user["tokenFile"]) if "tokenFile" in user else None
    return KubeAccess(server, tls, user.get("token", ""), token_file, token)


def _joined(path: Path) -> Part:
    config: Part = {"contexts": [], "clusters": [], "users": []}
    for part in str(path).split(os.pathsep):
        one = _file(Path(part))
        for what in ("contexts", "clusters", "users"):
            config[what] += one.get(what) or []
        if one.get("current-context") and "current-context" not in config:
            config["current-context"] = one["current-context"]
    return config


def _file(path: Path) -> Part:
    """One file; paths in it are relative to its folder."""
    try:
        config = yaml.safe_load(path.read_text())
        for what, inner in (("clusters", "cluster"), ("users", "user")):
            for item in config.get(what) or []:
                held = item.get(inner) or {}
                held.update({name: str(path.parent / held[name]) for name in _FILES if name in held})
    except OSError as error:
        raise InputError(f'--kubeconfig "{path}": {error.strerror}') from None
    except (yaml.YAMLError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise InputError(f'--kubeconfig "{path}": is not a kubeconfig with a current context ({error})') from None
    return dict(config)


def _named(config: Part, what: str, name: str) -> Part:
    found = next((item for item in config[what] if item["name"] == name), None)
    if found is None:
        raise KeyError(f'{what}: no "{name}"')
    return dict(found)


def _tls(cluster: Part, user: Part, path: Path) -> ssl.SSLContext:
    if cluster.get("insecure-skip-tls-verify"):
        raise InputError(f'--kubeconfig "{path}": insecure-skip-tls-verify is not supported; give the CA', "E122")
    try:
        authority = _bytes(cluster, "certificate-authority")
        context = ssl.create_default_context(cadata=authority.decode() if authority else None)
        certificate, key = _bytes(user, "client-certificate"), _bytes(user, "client-key")
        if certificate and key:
            with tempfile.TemporaryDirectory() as directory:
                pem = Path(directory) / "client.pem"
                pem.touch(0o600)
                pem.write_bytes(key + b"\n" + certificate)
                context.load_cert_chain(pem)
    except (OSError, binascii.Error, ValueError) as error:
        raise InputError(f'--kubeconfig "{path}": its certificates cannot be read ({error})') from None
    return context


def _bytes(source: Part, name: str) -> bytes:
    if f"{name}-data" in source:
        return base64.b64decode(source[f"{name}-data"])
    return Path(source[name]).read_bytes() if name in source else b""


def _plugin_token(path: Path, context: str, plugin: str) -> Callable[[], str]:
    """What gives the token of the moment by way of the official client, which runs the plugin and renews."""
    try:
        from kubernetes.client import Configuration
        from kubernetes.config import ConfigException, load_kube_config
    except ImportError:
        text = (
            f'--kubeconfig "{path}": user needs "{plugin}": install the extra k8s-auth (pip install isthmus[k8s-auth])'
        )
        raise InputError(text) from None

    lock, held, born = threading.Lock(), Configuration(), float("-inf")

    def token() -> str:
        nonlocal held, born
        with lock:
            try:
                if time.monotonic() > born + PLUGIN_SECONDS:
                    held = Configuration()
                    load_kube_config(str(path), context, client_configuration=held, persist_config=False)
                    born = time.monotonic()
                found = held.get_api_key_with_prefix("BearerToken", "authorization")
            except (ConfigException, OSError, ValueError) as error:
                raise Unavailable(f'--kubeconfig "{path}": its "{plugin}" gave no token ({error})') from None
            if not found:
                born = float("-inf")
                raise Unavailable(f'--kubeconfig "{path}": its "{plugin}" gave no token')
            return str(found).removeprefix("Bearer ")

    return token

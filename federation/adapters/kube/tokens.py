"""Whose a service account token is, by the API server's word (TokenReview, authentication.k8s.io/v1)."""

from __future__ import annotations

import aiohttp
import msgspec
from msgspec import Struct

from federation.adapters.kube.access import KubeAccess
from federation.model.errors import Refused, Unavailable
from federation.model.names import is_label
from federation.model.tokens import ServiceAccount

PATH = "/apis/authentication.k8s.io/v1/tokenreviews"
SECONDS = 5.0
_USER = "system:serviceaccount:"
_POD = "authentication.kubernetes.io/pod-name"
_NODE = "authentication.kubernetes.io/node-name"


class _User(Struct, frozen=True):
    username: str = ""
    extra: dict[str, list[str]] = {}


class _Status(Struct, frozen=True):
    authenticated: bool = False
    user: _User = _User()
    audiences: tuple[str, ...] = ()
    error: str = ""


class _Review(Struct, frozen=True):
    status: _Status = _Status()


async def review(access: KubeAccess, token: str, audience: str = "") -> ServiceAccount:
    """The service account of this token, which must be for this audience ("": for the API server). Refused (E105) when
    the API server does not know it, or it belongs to no pod; Unavailable when the API server does not answer, or does
    not let us ask.
    """
    spec: dict[str, object] = {"token": token} | ({"audiences": [audience]} if audience else {})
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=access.tls), timeout=timeout) as http,
            http.post(access.server + PATH, json=body, headers=access.headers()) as response,
        ):
            if response.status == 403:
                right = "`create` on tokenreviews.authentication.k8s.io"
                raise Unavailable(f"the API server does not let us review tokens: grant {right}")
            response.raise_for_status()
            found = msgspec.json.decode(await response.read(), type=_Review).status
    except (aiohttp.ClientError, TimeoutError, OSError, msgspec.MsgspecError) as error:
        raise Unavailable(f"the API server did not review a token: {type(error).__name__}: {error}") from None
    return _account(found, audience)


def _account(found: _Status, audience: str) -> ServiceAccount:
    if not found.authenticated:
        raise Refused(f"service account token: the API server does not know it ({found.error or 'no reason'})", "E105")
    if audience and audience not in found.audiences:
        raise Refused(f'service account token: is not for the audience "{audience}"', "E105")
    namespace, _, name = found.user.username.removeprefix(_USER).partition(":")
    if not found.user.username.startswith(_USER) or not (is_label(namespace) and name):
        raise Refused(f"service account token: {found.user.username[:160]!r} is no service account", "E105")
    pod = found.user.extra.get(_POD, [""])[0]
    if not pod:
        raise Refused(f"service account token of {namespace}/{name}: is bound to no pod", "E105")
    return ServiceAccount(namespace, name, pod, found.user.extra.get(_NODE, [""])[0])

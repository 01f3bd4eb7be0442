"""The `kinds` check: the API server serves our CustomResourceDefinitions and those of Multi-Cluster Services."""

import asyncio

import msgspec
from msgspec import Struct

from federation.adapters.kube.access import KubeAccess
from federation.adapters.kube.http import ApiError, Broken, Http
from federation.adapters.kube.pace import Pace
from federation.cli.finding import Finding
from federation.wire.k8s.crd import KINDS

SECONDS = 15.0
APPLY = "kubectl apply --server-side -f federation/crds/"


class _Resource(Struct):
    name: str


class _Resources(Struct):
    """meta/v1 APIResourceList."""

    resources: tuple[_Resource, ...] = ()


async def check_kinds(access: KubeAccess, seconds: float = SECONDS) -> Finding:
    """Whether every version of every kind is served (discovery: no right is needed but to be somebody)."""
    http = Http(access, Pace())
    try:
        async with asyncio.timeout(seconds), http.opened():
            missing = await _missing(http)
    except ApiError as error:
        return _problem(f"{access.server} refuses to say what it serves: {error}; check the user of the kubeconfig")
    except Broken as error:
        return _problem(f"{access.server} cannot be asked: {error}; check the address and the CA of the kubeconfig")
    except TimeoutError:
        return _problem(f"{access.server} does not answer in {seconds:g} s; check its address and the way there")
    if missing:
        return _problem(f"{access.server} does not serve {', '.join(missing)}; run `{APPLY}`")
    return Finding("kinds", "ok", f"{access.server} serves all {len(KINDS)} kinds: {', '.join(sorted(KINDS))}")


async def _missing(http: Http) -> list[str]:
    """The kinds and versions that are not served, as PLURAL.GROUP/VERSION."""
    wanted: dict[tuple[str, str], list[str]] = {}
    for kind in KINDS.values():
        for version in kind.versions:
            wanted.setdefault((kind.group, version), []).append(kind.plural)
    found = []
    for (group, version), plurals in sorted(wanted.items()):
        served = await _served(http, f"/apis/{group}/{version}")
        found += [f"{plural}.{group}/{version}" for plural in plurals if plural not in served]
    return found


async def _served(http: Http, path: str) -> frozenset[str]:
    try:
        body = await http.call("list", "APIResourceList", path)
        return frozenset(one.name for one in msgspec.json.decode(body, type=_Resources).resources)
    except ApiError as error:
        if error.code != 404:
            raise
        return frozenset()
    except msgspec.MsgspecError as error:
        raise Broken(f"{path} is no APIResourceList: {error}") from None


def _problem(text: str) -> Finding:
    return Finding("kinds", "problem", text)

"""A request taken apart: which kind, namespace, name and subresource its path names, its body and its options."""

import json
import re
from dataclasses import dataclass
from typing import Any

import yaml
from aiohttp import web

from federation.lab.kubernetes import status
from federation.lab.kubernetes.kinds import Kind
from federation.lab.kubernetes.writes import Options

Object = dict[str, Any]
BODY_BYTES = 3 * 1024 * 1024
PATCHES = (
    "application/merge-patch+json",
    "application/json-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)


@dataclass(frozen=True)
class Target:
    """What a path below a group version names; `name` and `subresource` may be empty."""

    kind: Kind
    namespace: str | None
    name: str
    subresource: str


def located(path: str, kinds: dict[tuple[str, str, str], Kind]) -> Target | None:
    """The target of a resource path, None when it names nothing that is served."""
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) >= 3:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) >= 4:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace: str | None = None
    if rest[0] == "namespaces" and len(rest) >= 3 and not (group == "" and rest[2] in ("status", "finalize")):
        namespace, rest = rest[1], rest[2:]
    kind = kinds.get((group, version, rest[0]))
    if kind is None or len(rest) > 3 or (namespace is not None and not kind.namespaced):
        return None
    name = rest[1] if len(rest) > 1 else ""
    if name and kind.namespaced and namespace is None:
        return None
    return Target(kind, namespace, name, rest[2] if len(rest) > 2 else "")


def options(request: web.Request, subresource: str) -> Options:
    """The options of a write; 422 for a dry run other than All, 400 for an unknown field validation."""
    query = request.query
    verb = {"POST": "Create", "PUT": "Update", "PATCH": "Patch", "DELETE": "Delete"}[request.method]
    dry = query.getall("dryRun", [])
    if any(one != "All" for one in dry):
        cause = status.unsupported("dryRun", dry, ["All"])
        raise status.invalid("meta.k8s.io", f"{verb}Options", "", [cause])
    validation = query.get("fieldValidation", "") or "Warn"
    if validation not in ("Strict", "Warn", "Ignore"):
        allowed = ["Ignore", "Strict", "Warn"]
        cause = status.unsupported("fieldValidation", validation, list(allowed))
        raise status.invalid("meta.k8s.io", f"{verb}Options", "", [cause])
    manager = query.get("fieldManager") or request.headers.get("User-Agent", "unknown").partition("/")[0]
    force = query.get("force", "") in ("true", "1")
    return Options(manager, bool(dry), validation, force, subresource)


async def body(request: web.Request, kind: Kind) -> Any:
    """The body as JSON or YAML; 400, 413 or 415 when it cannot be taken."""
    raw = await _read(request)
    sort = request.content_type
    if request.method != "PATCH" and sort not in ("application/json", "application/yaml", "application/octet-stream"):
        accepted = "application/json, application/yaml"
        text = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
        raise status.Refused(415, "UnsupportedMediaType", text)
    try:
        return yaml.safe_load(raw) if "yaml" in sort and not raw.lstrip().startswith(b"{") else json.loads(raw)
    except (ValueError, yaml.YAMLError) as error:
        if request.method == "PATCH":
            raise status.bad_request(f"error decoding patch: {error}") from None
        said = re.sub(r"\s+", " ", str(error))
        text = f"couldn't get version/kind; json parse error: {said}"
        raise status.bad_request(f"the object provided is unrecognized (must be of type {kind.kind}): {text}") from None


async def _read(request: web.Request) -> bytes:
    pieces, size = [], 0
    async for piece in request.content.iter_any():
        size += len(piece)
        if size > BODY_BYTES:
            text = f"Request entity too large: limit is {BODY_BYTES}"
            raise status.Refused(413, "RequestEntityTooLarge", text)
        pieces.append(piece)
    return b"".join(pieces)


async def delete_options(request: web.Request) -> Object:
    """The DeleteOptions of body and query."""
    raw = await _read(request)
    try:
        said: Object = (json.loads(raw) if raw.strip() else None) or {}
    except ValueError as error:
        raise status.bad_request(f"couldn't get version/kind; json parse error: {error}") from None
    if "propagationPolicy" in request.query:
        said = {**said, "propagationPolicy": request.query["propagationPolicy"]}
    return said


def unsupported_patch() -> status.Refused:
    """The refusal of a patch of a sort that this kind has not."""
    return status.Refused(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})


def media(request: web.Request) -> dict[str, str] | None:
    """The first JSON media type that the client accepts, with its parameters (`as`, `g`, `v`); {} for plain JSON."""
    accept = request.headers.get("Accept", "*/*")
    for one in accept.split(","):
        name, *said = (part.strip() for part in one.split(";"))
        if name in ("application/json", "*/*", "application/*"):
            return dict(part.split("=", 1) for part in said if "=" in part)
    return {} if "yaml" in accept else None

"""Lists: pages, selectors, and what a resourceVersion asks for."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from federation.lab.kubernetes import selectors, status
from federation.lab.kubernetes.kinds import Kind
from federation.lab.kubernetes.selectors import Test
from federation.lab.kubernetes.status import Cause
from federation.lab.kubernetes.store import Key, Store
from federation.lab.kubernetes.writes import as_version

Object = dict[str, Any]
TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new "
    "list without the continue parameter, or use the continue token in this response to retrieve the "
    "remainder of the results. Continuing with the provided token results in an inconsistent list - objects "
    "that were created, modified, or deleted between the time the first chunk was returned and now may show "
    "up in the list."
)


@dataclass(frozen=True)
class Asked:
    """The query of a list or watch, read and checked."""

    kind: Kind
    namespace: str | None
    test: Test
    selective: bool
    version: int | None
    match: str
    limit: int
    token: str
    initial: bool
    bookmarks: bool
    timeout: float

    def wants(self, key: Key, value: Object) -> bool:
        """Whether an object is among those asked for."""
        return (self.namespace is None or key[0] == self.namespace) and self.test(value)


def asked(kind: Kind, namespace: str | None, name: str, query: Mapping[str, str]) -> Asked:
    """What a query asks for; 400 or 422 when it contradicts itself."""
    by_label = selectors.labels(query.get("labelSelector", ""))
    by_field = selectors.fields(query.get("fieldSelector", ""), kind.plural, kind.custom)
    watching = truth(query.get("watch"))
    match, initial = query.get("resourceVersionMatch", ""), query.get("sendInitialEvents")
    version = _version(query.get("resourceVersion", ""), watching)
    _consistent(match, version, initial, watching, query.get("continue", ""))
    return Asked(
        kind,
        namespace,
        lambda value: by_label(value) and by_field(value) and (not name or value["metadata"]["name"] == name),
        bool(query.get("labelSelector") or query.get("fieldSelector")),
        version,
        match,
        _number(query, "limit"),
        query.get("continue", ""),
        truth(initial),
        truth(query.get("allowWatchBookmarks")),
        float(_number(query, "timeoutSeconds")),
    )


def truth(text: str | None) -> bool:
    """A boolean parameter: absent, `0` and `false` are false."""
    return text is not None and text.lower() not in ("0", "false", "")


def _number(query: Mapping[str, str], name: str) -> int:
    text = query.get(name, "") or "0"
    try:
        return int(text)
    except ValueError:
        raise status.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def _version(text: str, watching: bool) -> int | None:
    if not text:
        return None
    if text.isdigit():
        return int(text)
    why = f'resourceVersion: Invalid value: {status.shown(text)}: strconv.ParseUint: parsing "{text}": invalid syntax'
    raise status.Refused(500, "", why) if watching else status.bad_request(f"invalid resource version: {why}")


def _consistent(match: str, version: int | None, initial: str | None, watching: bool, token: str) -> None:
    why = ""
    if watching and initial is not None and match != "NotOlderThan":
        why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
    elif watching and match and initial is None:
        why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
    elif not watching and initial is not None:
        raise _options(
            [Cause("sendInitialEvents", status.FORBIDDEN, "Forbidden: sendInitialEvents is forbidden for list")]
        )
    elif not watching and match and version is None:
        why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
    elif not watching and match and token:
        why = "resourceVersionMatch is forbidden when continue is provided"
    elif match == "Exact" and version == 0:
        why = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
    elif match not in ("", "Exact", "NotOlderThan"):
        raise _options([status.unsupported("resourceVersionMatch", match, ["Exact", "NotOlderThan", ""])])
    if why:
        raise _options([Cause("resourceVersionMatch", status.FORBIDDEN, f"Forbidden: {why}")])


def _options(causes: list[Cause]) -> status.Refused:
    return status.invalid("meta.k8s.io", "ListOptions", "", causes)


@dataclass(frozen=True)
class Page:
    """One page of a list: objects with their keys, at a version, and how to go on."""

    items: list[Object]
    version: int
    token: str = ""
    remaining: int | None = None


def page(store: Store, want: Asked, stale_at: int | None = None) -> Page:
    """A page of a list; 410 when its snapshot is forgotten, 504 for a version that is not yet. `stale_at` is a fault:
    what does not ask for a version gets the state at that one.
    """
    version, start = store.version, ""
    if want.token:
        version, start = _read_token(want.token)
    elif want.version and want.version > store.version:
        raise status.too_large_version(want.version, store.version)
    elif want.match == "Exact" and want.version:
        version = want.version
    elif stale_at is not None:
        version = stale_at
    try:
        found = store.at(version, want.kind.stored_as)
    except status.Refused:
        if want.token:
            raise status.Refused(410, "Expired", TOO_OLD) from None
        raise
    matching = sorted((_place(key), value) for key, value in found.items() if want.wants(key, value))
    rest = [(place, value) for place, value in matching if place > start]
    return _cut(want, rest, version)


def _place(key: Key) -> str:
    return f"{key[0]}/{key[1]}"


def _cut(want: Asked, rest: list[tuple[str, Object]], version: int) -> Page:
    if not want.limit or len(rest) <= want.limit:
        return Page([value for _, value in rest], version)
    kept = rest[: want.limit]
    said = {"v": "meta.k8s.io/v1", "rv": version, "start": kept[-1][0]}
    token = base64.urlsafe_b64encode(json.dumps(said, separators=(",", ":")).encode()).decode()
    remaining = None if want.selective else len(rest) - want.limit
    return Page([value for _, value in kept], version, token, remaining)


def _read_token(text: str) -> tuple[int, str]:
    try:
        said = json.loads(base64.urlsafe_b64decode(text))
        return int(said["rv"]), str(said["start"])
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise status.bad_request(f"invalid continue token: continue key is not valid: {error}") from None


def listed(kind: Kind, page: Page) -> Object:
    """The list object; items of built-in kinds do not repeat kind and version."""
    meta: Object = {"resourceVersion": str(page.version)}
    if page.token:
        meta["continue"] = page.token
    if page.token and page.remaining is not None:
        meta["remainingItemCount"] = page.remaining
    items = [as_version(kind, one) for one in page.items]
    if not kind.custom:
        items = [{name: said for name, said in one.items() if name not in ("kind", "apiVersion")} for one in items]
    return {"kind": kind.listed_as, "apiVersion": kind.api_version, "metadata": meta, "items": items}

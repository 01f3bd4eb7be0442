"""Refusals as the API server words them: `Refused` carries a metav1.Status."""

import json
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
INVALID, REQUIRED, UNSUPPORTED = "FieldValueInvalid", "FieldValueRequired", "FieldValueNotSupported"
DUPLICATE, TOO_LONG, TOO_MANY, FORBIDDEN = (
    "FieldValueDuplicate",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueForbidden",
)
TYPE_INVALID = "FieldValueTypeInvalid"


@dataclass(frozen=True)
class Cause:
    """What is wrong with one field: its path, the machine's reason, the text after the path."""

    field: str
    reason: str
    message: str


class Refused(Exception):
    """The answer to a request that is not carried out; `headers` go with it."""

    def __init__(
        self, code: int, reason: str, message: str, details: Object | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.details = code, reason, message, details
        self.headers = headers or {}

    def status(self) -> Object:
        """The metav1.Status of this refusal."""
        said: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        said["message"] = self.message
        if self.reason:
            said["reason"] = self.reason
        if self.details is not None:
            said["details"] = self.details
        return said | {"code": self.code}


def qualified(name: str, group: str) -> str:
    """`services`, or `deployments.apps` where there is a group."""
    return f"{name}.{group}" if group else name


def named(name: str, group: str, kind: str) -> Object:
    """Details that name an object; what is empty is left out."""
    return {key: value for key, value in (("name", name), ("group", group), ("kind", kind)) if value}


def not_found(group: str, plural: str, name: str) -> Refused:
    return Refused(404, "NotFound", f'{qualified(plural, group)} "{name}" not found', named(name, group, plural))


def already_exists(group: str, plural: str, name: str) -> Refused:
    text = f'{qualified(plural, group)} "{name}" already exists'
    return Refused(409, "AlreadyExists", text, named(name, group, plural))


def conflict(group: str, plural: str, name: str, why: str) -> Refused:
    text = f'Operation cannot be fulfilled on {qualified(plural, group)} "{name}": {why}'
    return Refused(409, "Conflict", text, named(name, group, plural))


def modified(group: str, plural: str, name: str) -> Refused:
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(group, plural, name, why)


def invalid(group: str, kind: str, name: str, causes: list[Cause]) -> Refused:
    texts = [f"{cause.field}: {cause.message}" for cause in causes]
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    listed = [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes]
    details = named(name, group, kind) | {"causes": listed}
    return Refused(422, "Invalid", f'{qualified(kind, group)} "{name}" is invalid: {text}', details)


def bad_request(text: str) -> Refused:
    return Refused(400, "BadRequest", text)


def expired(text: str = "The resourceVersion for the provided watch is too old.") -> Refused:
    return Refused(410, "Expired", text)


def too_large_version(asked: int, current: int) -> Refused:
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    text = f"Timeout: Too large resource version: {asked}, current: {current}"
    return Refused(504, "Timeout", text, {"causes": causes, "retryAfterSeconds": 1}, {"Retry-After": "1"})


def forbidden(group: str, plural: str, name: str, why: str, causes: list[Object] | None = None) -> Refused:
    of = f'{qualified(plural, group)} "{name}"' if name else qualified(plural, group)
    details = named(name, group, plural) | ({"causes": causes} if causes else {})
    return Refused(403, "Forbidden", f"{of} is forbidden: {why}", details)


def method_not_allowed() -> Refused:
    return Refused(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def unauthorized() -> Refused:
    return Refused(401, "Unauthorized", "Unauthorized")


def no_such_path() -> Refused:
    return Refused(404, "NotFound", "404 page not found", {})


def shown(value: Any) -> str:
    """A value as error texts quote it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def bad_value(field: str, value: Any, why: str) -> Cause:
    return Cause(field, INVALID, f"Invalid value: {shown(value)}: {why}")


def required(field: str, why: str = "") -> Cause:
    return Cause(field, REQUIRED, f"Required value: {why}" if why else "Required value")


def unsupported(field: str, value: Any, allowed: list[Any]) -> Cause:
    listed = ", ".join(shown(one) for one in allowed)
    return Cause(field, UNSUPPORTED, f"Unsupported value: {shown(value)}: supported values: {listed}")


def duplicate(field: str, value: Any) -> Cause:
    return Cause(field, DUPLICATE, f"Duplicate value: {shown(value)}")


def too_many(field: str, count: int, limit: int) -> Cause:
    return Cause(field, TOO_MANY, f"Too many: {count}: must have at most {limit} items")


def too_long(field: str, limit: int) -> Cause:
    return Cause(field, TOO_LONG, f"Too long: may not be more than {limit} bytes")

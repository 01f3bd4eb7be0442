"""What every Kubernetes object has in common (meta/v1)."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Text = dict[str, str]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
"""RFC 3339."""
Count64 = Annotated[int, Meta(ge=0, extra_json_schema={"format": "int64"})]


class ObjectMeta(Struct, frozen=True, kw_only=True, rename="camel"):
    """metadata (meta/v1 ObjectMeta)."""

    name: str
    namespace: str = "default"
    labels: Text = {}
    annotations: Text = {}
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    generate_name: str = ""
    self_link: str = ""
    owner_references: list[dict[str, Any]] = []
    finalizers: list[str] = []
    managed_fields: list[dict[str, Any]] = []


_REASON = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
_TYPE = (
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
)


class Condition(Struct, frozen=True, kw_only=True, rename="camel"):
    """One condition of a status (meta/v1 Condition)."""

    type: Annotated[str, Meta(max_length=316, pattern=_TYPE)]
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, Meta(min_length=1, max_length=1024, pattern=_REASON)]
    message: Annotated[str, Meta(max_length=32_768)]
    last_transition_time: Time
    observed_generation: Count64 | UnsetType = UNSET


Conditions = Annotated[
    list[Condition],
    Meta(extra_json_schema={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
]

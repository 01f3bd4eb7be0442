"""What one check of `isthmus check` found."""

from typing import Literal

from msgspec import Struct


class Finding(Struct, frozen=True):
    """`text` says what is, and of a problem what to do."""

    check: Literal["forward", "controller", "kinds", "manifest"]
    status: Literal["ok", "problem", "skipped"]
    text: str

"""What a standby asks the leader of its own member, over the link (path READ): one question, one answer."""

from __future__ import annotations

from msgspec import Struct


class StatusAsked(Struct, frozen=True, tag="status"):
    """The answer is JSON, compressed with zlib."""


class ExplainAsked(Struct, frozen=True, tag="explain"):
    """What `/v1/explain` is asked; `at` is Unix milliseconds, 0 for now. The answer is as for status."""

    of: str
    member: str
    at: int


class FilesAsked(Struct, frozen=True, tag="files"):
    """Which files of the last known good there are, and the ledger: MessagePack, name -> SHA-256 of what it holds."""


class PartAsked(Struct, frozen=True, tag="part"):
    """The bytes of one of these files from `offset` on, at most PART of them."""

    name: str
    offset: int


Asked = StatusAsked | ExplainAsked | FilesAsked | PartAsked
PART = 1024 * 1024
LEDGER = "ledger"

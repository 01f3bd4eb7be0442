"""A small state in Secrets: the exact words for what cannot be read, and what it holds."""

import json
import os
from typing import Any

import pytest

from federation.adapters.kube.shards import SHARDS, Shard, pack, read_secret, shard_of, unpack, write_secret
from federation.model.errors import InputError, IsthmusError, Unavailable

NOTES = {"isthmus.dev/member": "f/us", "isthmus.dev/holder": "a", "isthmus.dev/term": "2", "isthmus.dev/writes": "9"}


def secret(data: dict[str, str] | None, **notes: str) -> bytes:
    return json.dumps({"metadata": {"resourceVersion": "5", "annotations": NOTES | notes}, "data": data}).encode()


def test_content_is_packed_where_that_is_shorter() -> None:
    noise, plain = {"key": os.urandom(2_000)}, {"key": bytes(2_000)}
    assert (pack(noise)[:1], pack(plain)[:1]) == (b"m", b"z")
    assert (unpack(pack(noise)), unpack(pack(plain))) == (noise, plain)
    assert len(pack(plain)) < 200


def test_a_secret_is_read_as_it_was_written() -> None:
    shard = Shard(version="5", holder="a", term=2, writes=9, content={"k": b"v"})
    body = write_secret("ns", 3, "f/us", shard, pack(shard.content))
    assert body["metadata"]["name"] == "isthmus-store-3" and body["metadata"]["resourceVersion"] == "5"
    assert read_secret("Secret x", "f/us", json.dumps(body).encode()) == shard


def test_an_empty_secret_made_by_somebody_is_an_empty_shard() -> None:
    raw = b'{"metadata": {"resourceVersion": "4"}}'
    assert read_secret("Secret x", "f/us", raw) == Shard(version="4")


def test_keys_are_spread() -> None:
    assert {shard_of(f"address/shop/web-{n}") for n in range(400)} == set(range(SHARDS))


REST = "; restore it, or delete it to begin without what it held"
WRONG: list[tuple[dict[str, str] | None, dict[str, str], type[IsthmusError], str]] = [
    (None, {"isthmus.dev/member": "f/eu"}, InputError, 'E125 Secret x: holds the state of member "f/eu", not of "f/us"; give each its own namespace'),
    ({}, {}, Unavailable, "E190 Secret x: has no kept" + REST),
    ({"kept": "bQ"}, {}, Unavailable, "E190 Secret x: cannot be read: Incorrect padding" + REST),
    ({"kept": "eHg="}, {}, Unavailable, "E190 Secret x: cannot be read: of unknown form b'x'" + REST),
    ({"kept": "egA="}, {}, Unavailable, "E190 Secret x: cannot be read: cut short, or longer than 67108864 bytes" + REST),
    ({"kept": "bYA="}, {"isthmus.dev/term": "two"}, Unavailable, "E190 Secret x: cannot be read: invalid literal for int() with base 10: 'two'" + REST),
]  # fmt: skip


@pytest.mark.parametrize(("data", "notes", "error", "text"), WRONG)
def test_what_cannot_be_read(
    data: dict[str, str] | None, notes: dict[str, Any], error: type[IsthmusError], text: str
) -> None:
    with pytest.raises(error) as refused:
        read_secret("Secret x", "f/us", secret(data, **notes))
    assert str(refused.value) == text

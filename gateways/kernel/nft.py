"""nft tables through `nft -j -f -`: one atomic transaction a change, and the table read back."""

import hashlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from federation.model.errors import InputError, Unavailable
from gateways.render.nft import FAMILY, Json, Table, change_commands, delete_commands, replace_commands

TIMEOUT = 10.0
WHOLE = 60.0


class LinuxFilter:
    """The port `Filter` on Linux, in the network namespace of this process.

    Chains and rules are read each time. What sets hold is taken to be what a transaction of ours left there, and read
    once in WHOLE seconds: nft needs up to 0.6 s to tell of 10,000 elements.
    """

    def __init__(self) -> None:
        self._held: dict[str, tuple[str, float]] = {}

    def read(self, table: str) -> str | None:
        """The fingerprint of the table as nft spells it; None when there is none."""
        listing = _listed(table, "--terse")
        if listing is None:
            self._held.pop(table, None)
            return None
        held, until = self._held.get(table, ("", 0.0))
        if time.monotonic() >= until:
            held = _fingerprint_of(_elements(_listed(table) or "{}"))
            self._held[table] = held, time.monotonic() + WHOLE
        return fingerprint(listing) + held

    def apply(self, table: Table, before: Table | None = None) -> None:
        """Replace the table in one transaction, or what differs from what is known to stand there."""
        self._held.pop(table.name, None)
        changed = None if before is None else change_commands(table, before)
        _load(replace_commands(table) if changed is None else changed, table.name)
        elements = [(one.name, *element) for one in table.sets for element in one.elements]
        self._held[table.name] = _fingerprint_of(elements), time.monotonic() + WHOLE

    def remove(self, table: str) -> None:
        """Remove the table."""
        _load(delete_commands(table), table)


class BaseChain(Struct, frozen=True, order=True):
    """A chain of anybody's: where it hooks in ("": nowhere), whether it `drops` what no rule of it accepts, whether it
    is kube-proxy's chain of services (iptables).
    """

    family: str
    table: str
    chain: str
    hook: str = ""
    drops: bool = False
    services: bool = False


def base_chains() -> tuple[BaseChain, ...]:
    """The chains of all tables that hook in or are kube-proxy's. Unavailable."""
    done = _run(["list", "chains"], "")
    if done.returncode:
        raise Unavailable(f"nft list chains: {_first_line(done.stderr)}")
    return chains_of(done.stdout)


def chains_of(listing: str) -> tuple[BaseChain, ...]:
    """What `nft -j list chains` said."""
    chains = [one["chain"] for one in json.loads(listing)["nftables"] if "chain" in one]
    made = (
        BaseChain(
            family=one["family"],
            table=one["table"],
            chain=one["name"],
            hook=one.get("hook", ""),
            drops=one.get("policy") == "drop",
            services=one["name"] == "KUBE-SERVICES",
        )
        for one in chains
    )
    return tuple(one for one in made if one.hook or one.services)


def _listed(table: str, *options: str) -> str | None:
    done = _run([*options, "list", "table", FAMILY, table], "")
    if not done.returncode:
        return done.stdout
    if "No such file or directory" in done.stderr:
        return None
    raise Unavailable(f"nft list table {FAMILY} {table}: {_first_line(done.stderr)}")


def _elements(listing: str) -> list[tuple[object, ...]]:
    found = (item.get("set") or item.get("map") for item in json.loads(listing).get("nftables", ()))
    return [(one["name"], *_parts(element)) for one in found if one for element in one.get("elem", ())]


def _parts(element: Any) -> list[object]:
    """Of a set what was joined, of a map both sides."""
    if isinstance(element, str):
        return [element]
    return list(element["concat"] if isinstance(element, dict) else element)


def _fingerprint_of(elements: Iterable[tuple[object, ...]]) -> str:
    """In whatever order nft tells them."""
    return hashlib.sha256("\n".join(sorted(map(str, elements))).encode()).hexdigest()


def check_possible() -> None:
    """InputError when nft is not installed."""
    if shutil.which("nft") is None:
        raise InputError("nft is not installed: install the package nftables", "E122")


def fingerprint(listing: str) -> str:
    """A hash over chains and rules, without handles and counts."""
    return hashlib.sha256(msgspec.json.encode(_plain(json.loads(listing)), order="sorted")).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, dict):
        kept = {k: _plain(v) for k, v in value.items() if k not in ("handle", "packets", "bytes", "metainfo")}
        return kept
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _load(commands: Json, table: str) -> None:
    done = _run(["-f", "-"], json.dumps(commands))
    if done.returncode:
        raise Unavailable(f"nft table {table}: {_first_line(done.stderr)}")


def _run(arguments: list[str], text: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["nft", "-j", *arguments], input=text, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"nft: {error}") from None


def _first_line(text: str) -> str:
    return next(iter(text.strip().splitlines()), "failed without a word")

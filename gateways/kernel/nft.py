"""nft tables through `nft -j -f -`: one atomic transaction a change, and the table read back."""

import hashlib
import json
import shutil
import subprocess

import msgspec

from federation.model.errors import InputError, Unavailable
from gateways.render.nft import FAMILY, Json, Table, delete_commands, replace_commands

TIMEOUT = 10.0


class LinuxFilter:
    """The port `Filter` on Linux, in the network namespace of this process."""

    def read(self, table: str) -> str | None:
        """The fingerprint of the table as nft spells it; None when there is none."""
        done = _run(["list", "table", FAMILY, table], "")
        if done.returncode:
            if "No such file or directory" in done.stderr:
                return None
            raise Unavailable(f"nft list table {FAMILY} {table}: {_first_line(done.stderr)}")
        return fingerprint(done.stdout)

    def apply(self, table: Table) -> None:
        """Replace the table in one transaction."""
        _load(replace_commands(table), table.name)

    def remove(self, table: str) -> None:
        """Remove the table."""
        _load(delete_commands(table), table)


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

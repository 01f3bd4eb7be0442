"""lab.json: what a lab has made, written before it is made, so that `down` finds it after any crash."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from federation.lab import errors

DEFAULT = "/run/isthmus-lab"
FILE = "lab.json"
HOLDER = "holder.json"
RAISING, UP = "raising", "up"


@dataclass(slots=True)
class Program:
    """A program that the lab started: `start` is the kernel's start time in ticks, so that a reused pid
    is not it.
    """

    pid: int
    start: int
    argv: list[str]
    namespace: str


@dataclass(slots=True)
class Lab:
    """The content of lab.json. `kubernetes`: the sort of the members' API servers, "" where they have manifests.
    `second`: one member has a second gateway.
    """

    lab: str
    directory: str
    state: str = RAISING
    rtt_ms: float | None = None
    bare: bool = False
    kubernetes: str = ""
    second: bool = False
    federation: str = ""
    programs: dict[str, Program] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The lab's folder."""
        return Path(self.directory)

    @property
    def wan_socket(self) -> Path:
        """Where the WAN takes commands."""
        return self.path / "wan.sock"

    def log(self, name: str) -> Path:
        """The log of one program."""
        return self.path / "log" / f"{name}.log"

    def member(self, name: str) -> Path:
        """The folder of one member."""
        return self.path / name


def default_directory() -> Path:
    """$ISTHMUS_LAB_DIR, else /run/isthmus-lab for root and /tmp/isthmus-lab-UID for others."""
    named = os.environ.get("ISTHMUS_LAB_DIR")
    if named:
        return Path(named)
    if os.geteuid() == 0:
        return Path(DEFAULT)
    return Path(f"/tmp/isthmus-lab-{os.geteuid()}")  # noqa: S108 - made with mode 0700 and refused when foreign


def create(directory: Path) -> Lab:
    """A new lab in `directory` with a random id; LabError when one is there or the folder holds something
    else.
    """
    directory = directory.absolute()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(directory):
        if (directory / FILE).exists():
            raise errors.already_up(_read(directory).lab, str(directory))
        if any(entry.name not in ("lock", "log", HOLDER) for entry in directory.iterdir()):
            raise errors.foreign_folder(str(directory))
        lab = Lab(secrets.token_hex(2), str(directory))
        (directory / "log").mkdir(exist_ok=True)
        _write(lab)
    return lab


def load(directory: Path) -> Lab:
    """The lab in `directory`; LabError when there is none."""
    directory = directory.absolute()
    try:
        return _read(directory)
    except FileNotFoundError:
        raise errors.no_lab(str(directory)) from None


@contextmanager
def changing(directory: str | Path) -> Iterator[Lab]:
    """The lab, to be changed in the block and written whole at its end; other processes wait."""
    with _locked(Path(directory)):
        lab = _read(Path(directory))
        yield lab
        _write(lab)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    with (directory / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _read(directory: Path) -> Lab:
    raw = json.loads((directory / FILE).read_text())
    raw["programs"] = {name: Program(**program) for name, program in raw["programs"].items()}
    return Lab(**raw)


def _write(lab: Lab) -> None:
    part = lab.path / f".{FILE}"
    part.write_text(json.dumps(asdict(lab), indent=1))
    part.replace(lab.path / FILE)

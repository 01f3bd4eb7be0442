"""What enrolment leaves in the folder of a node agent or DNS server: who it is and whom it may trust."""

from pathlib import Path

import msgspec
from msgspec import Struct

from federation.files import write_private
from federation.model.errors import InputError
from federation.model.handout import Role
from federation.model.spiffe import trust_domain


class Enrolled(Struct, frozen=True, kw_only=True):
    """`domain` is the federation's, `controllers` are `ip:port`, `anchor` is the PEM of the own member's CA.

    A node agent that `attests` acts for every service account whose pod's token the API server finds good.
    """

    node: str
    role: Role
    member: str
    domain: str
    controllers: tuple[str, ...]
    anchor: str
    attests: bool = False

    @property
    def trust_domain(self) -> str:
        """The SPIFFE trust domain of the own member."""
        return trust_domain(self.member, self.domain)


def save_enrolled(directory: Path, enrolled: Enrolled) -> None:
    """Write `enrolled.json` (0600)."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(directory / "enrolled.json", msgspec.json.encode(enrolled))


def load_enrolled(directory: Path) -> Enrolled:
    """Read `enrolled.json`; InputError when the folder was not made by `isthmus enroll`."""
    path = directory / "enrolled.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Enrolled)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: make this folder with `isthmus enroll --out {directory}`") from None
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(f"{path}: {error}; make the folder anew with `isthmus enroll`") from None

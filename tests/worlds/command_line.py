"""A folder with a registrar, a member that asked to join, and an enrolled DNS server; commands run in it, one by one."""

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from federation.cli.main import main
from federation.config import Enrolment, Folder
from federation.link.enrolled import Enrolled, save_enrolled
from federation.link.leaf import save_leaf
from federation.model.spiffe import agent_id, controller_id
from tests.worlds.rogue import leaf_by

ISTHMUS = str(Path(sys.executable).with_name("isthmus"))
BASE = {
    "--domain": "acme.mesh",
    "--name": "us-east",
    "--region": "us-east",
    "--az": "a",
    "--reachable": "10.1.0.0/16",
    "--clusterset": "10.101.0.0/16",
    "--sync": "127.0.0.1:7443",
}
JOINER = BASE | {"--name": "eu", "--reachable": "10.2.0.0/16", "--clusterset": "10.102.0.0/16"}
Said = tuple[int, str, str]


def words(options: dict[str, str]) -> list[str]:
    """Options as arguments."""
    return [word for pair in options.items() for word in pair]


def said(*arguments: str) -> Said:
    """(exit status, standard output, standard error) of the command, run in this process."""
    out, err = io.StringIO(), io.StringIO()
    named = mock.patch.object(sys, "argv", ["isthmus", *arguments])
    with named, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
    return status, out.getvalue(), err.getvalue()


def said_apart(*arguments: str) -> Said:
    """The same in a process of its own, as for programs that set up logging or serve."""
    done = subprocess.run([ISTHMUS, *arguments], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


@contextmanager
def inside(path: Path) -> Iterator[None]:
    """The working directory within the block, so that texts are the same everywhere."""
    before = Path.cwd()
    os.chdir(path)
    try:
        yield
    finally:
        os.chdir(before)


def prepare(path: Path) -> None:
    """`reg` is the registrar `us-east`; `joiner` is `eu`, whose request is in `request`; `dns` is an enrolled server."""
    with inside(path):
        assert said("init", "--state", "reg", *words(BASE))[0] == 0
        federation = Folder(Path("reg")).own().federation
        joiner = ("--state", "joiner", "--federation", federation, "--out", "request")
        assert said("member", "request", *joiner, *words(JOINER))[0] == 0
        rival = ("--state", "rival", "--federation", federation, "--out", "overlapping")
        assert (
            said("member", "request", *rival, *words(JOINER | {"--name": "ap", "--reachable": "10.1.4.0/24"}))[0] == 0
        )
        Path("manifests").mkdir()
        Path("file").write_text("x")
        _enrol(Folder(Path("reg")), Path("dns"))


def _enrol(folder: Folder, out: Path) -> None:
    own = folder.own()
    save_leaf(folder.path / "leaf.json", leaf_by(folder, controller_id(own.trust_domain)))
    folder.enrol(Enrolment(name="dns1", role="dns"))
    anchor = folder.anchor.read_text()
    enrolled = Enrolled(node="dns1", role="dns", member=own.name, domain=own.domain, controllers=(), anchor=anchor)
    save_enrolled(out, enrolled)
    save_leaf(out / "leaf.json", leaf_by(folder, agent_id(own.trust_domain, "dns1")))


def content(path: Path) -> dict[str, bytes]:
    """Every file below, to see that a refused command changed nothing."""
    return {str(item.relative_to(path)): item.read_bytes() if item.is_file() else b"" for item in path.rglob("*")}

"""The registrar's role goes from us-east to eu-central: by the public commands, between live controllers."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns.spaces import await_true
from tests.worlds.public_cli import ISTHMUS, Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    try:
        made.found()
        made.run("us-east")
        made.run("eu-central")
        yield made
    finally:
        made.stop()


def run(*words: str) -> tuple[int, str]:
    done = subprocess.run([ISTHMUS, *words], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, (done.stderr if done.returncode else done.stdout).strip()


def role(site: Site, member: str) -> tuple[int, str]:
    said = json.loads(site.cli("registrar", "show", "--state", str(site.folder(member).path)))
    return said["term"], said["registrar"]


def set_names(site: Site, at: str, names: int) -> tuple[int, str]:
    return run("member", "set", "us-east", "--quota", f"names={names}", "--state", str(site.folder(at).path))


def test_the_role_moves_and_who_had_it_appends_no_more(site: Site, tmp_path: Path) -> None:
    east, central = (str(site.folder(name).path) for name in ("us-east", "eu-central"))
    key, spare = tmp_path / "federation.key", tmp_path / "spare.key"
    shutil.copy(site.folder("us-east").federation_key, spare)
    early = (
        2,
        'isthmus: E109 the ledger here (term 1, index 2) names "us-east": there, run '
        "`isthmus registrar move --to eu-central`, and wait until it has come; or --force if it is gone for good",
    )
    assert run("registrar", "take", "--state", central, "--key", str(spare)) == early
    assert run("registrar", "move", "--state", east, "--to", "mars", "--key-out", str(key)) == (
        2,
        'isthmus: E104 registrar "mars": is no active member; active: us-east, eu-central',
    )
    assert site.folder("us-east").federation_key.exists()
    site.cli("registrar", "move", "--state", east, "--to", "eu-central", "--key-out", str(key))
    await_true("the move arrives", lambda: role(site, "eu-central") == (2, "eu-central"))
    site.cli("registrar", "take", "--state", central, "--key", str(key))
    assert set_names(site, "eu-central", 7)[0] == 0
    await_true("its entry arrives", lambda: site.status("us-east")["ledger"]["index"] == 4)
    assert site.status("us-east")["ledger"] == {"term": 2, "index": 4, "registrar": "eu-central"}
    shutil.copy(spare, site.folder("us-east").federation_key)
    assert set_names(site, "us-east", 9) == (
        2,
        'isthmus: E109 member "us-east" is not the registrar: since term 2 it is "eu-central"; run this there',
    )


def test_one_that_is_gone_is_replaced_and_what_it_writes_when_it_returns_is_overruled(
    site: Site, tmp_path: Path
) -> None:
    """us-east appends an entry while eu-central, cut off from it, begins the next term."""
    central = str(site.folder("eu-central").path)
    spare = tmp_path / "spare.key"
    shutil.copy(site.folder("us-east").federation_key, spare)
    site.stop()
    assert set_names(site, "us-east", 9)[0] == 0
    site.cli("registrar", "take", "--state", central, "--key", str(spare), "--force")
    assert (role(site, "us-east"), role(site, "eu-central")) == ((1, "us-east"), (2, "eu-central"))
    site.run("us-east")
    site.run("eu-central")
    await_true("the later term is everywhere", lambda: role(site, "us-east") == (2, "eu-central"), 40)
    assert site.status("us-east")["disk"]["problems"] == [
        'ledger entry 3 of term 1 about member "us-east" (active) was overruled by term 2; '
        'if it still matters, do it again at the registrar "eu-central"'
    ]


def test_another_federations_key_takes_nothing(site: Site, tmp_path: Path) -> None:
    other = Site(tmp_path / "other")
    other.path.mkdir()
    other.found()
    key = other.folder("us-east").federation_key
    state = str(site.folder("eu-central").path)
    code, text = run("registrar", "take", "--state", state, "--key", str(key), "--force")
    assert (code, text.partition(" is ")[0]) == (2, f"isthmus: E105 {key}")
    assert text.endswith("…") and "not this federation's key" in text

"""The federation key lives elsewhere: entries are prepared, signed where it is, and imported. By the public commands."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from federation.registrar.signing import new_signing_key
from tests.netns.spaces import await_true
from tests.worlds.public_cli import ISTHMUS, Site, running


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Two members founded; the registrar's key is moved to another folder."""
    made = Site(tmp_path / "site")
    made.path.mkdir()
    made.found()
    (tmp_path / "safe").mkdir()
    shutil.move(made.folder("us-east").federation_key, tmp_path / "safe" / "federation.key")
    return made


def run(*words: str) -> tuple[int, str]:
    done = subprocess.run([ISTHMUS, *words], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr if done.returncode else done.stdout


def states(site: Site) -> dict[str, str]:
    return {row["member"]: row["state"] for row in site.ledger()}


def test_a_member_is_revoked_with_a_key_that_never_saw_the_registrar(site: Site, tmp_path: Path) -> None:
    state, entry, signed = str(site.folder("us-east").path), str(tmp_path / "entry"), str(tmp_path / "signed")
    key = str(tmp_path / "safe" / "federation.key")
    assert run("member", "revoke", "eu-central", "--state", state)[0] == 2
    assert run("member", "revoke", "eu-central", "--state", state, "--prepare", entry)[0] == 0
    assert states(site) == {"us-east": "active", "eu-central": "active"}
    code, shown = run("ledger", "sign", "--key", key, "--entry", entry, "--out", signed, "--yes")
    assert code == 0
    told = json.loads(shown)
    assert (told["name"], told["state"], told["index"]) == ("eu-central", "revoked", 3)
    code, out = run("ledger", "import", "--state", state, "--signed", signed)
    assert (code, json.loads(out)) == (0, {"member": "eu-central", "state": "revoked"})
    assert states(site) == {"us-east": "active", "eu-central": "revoked"}
    again = run("ledger", "import", "--state", state, "--signed", signed)
    assert again == (2, "isthmus: E109 ledger entry 4 bears the index 3\n")


def test_what_another_key_signed_is_refused(site: Site, tmp_path: Path) -> None:
    state, entry, signed = str(site.folder("us-east").path), str(tmp_path / "entry"), str(tmp_path / "signed")
    key = tmp_path / "stranger.key"
    key.write_text(new_signing_key())
    key.chmod(0o600)
    run("member", "set", "eu-central", "--quota", "names=5", "--state", state, "--prepare", entry)
    assert run("ledger", "sign", "--key", str(key), "--entry", entry, "--out", signed, "--yes")[0] == 0
    refused = (2, "isthmus: E105 ledger entry 3: the signature is not the federation's\n")
    assert run("ledger", "import", "--state", state, "--signed", signed) == refused
    assert states(site) == {"us-east": "active", "eu-central": "active"}


def test_bad_files_are_one_line(site: Site, tmp_path: Path) -> None:
    key, junk = tmp_path / "safe" / "federation.key", tmp_path / "junk"
    junk.write_bytes(b"\x00junk")
    out = str(tmp_path / "out")
    code, text = run("ledger", "sign", "--key", str(key), "--entry", str(junk), "--out", out, "--yes")
    assert (code, text.partition(": Expected")[0]) == (2, "isthmus: E120 ledger entry (5 bytes) cannot be read")
    code, text = run("ledger", "import", "--state", str(site.folder("us-east").path), "--signed", str(junk))
    assert (code, text.partition(": Expected")[0]) == (
        2,
        f'isthmus: E120 --signed "{junk}": is not what `isthmus ledger sign` wrote',
    )
    key.chmod(0o644)
    entry = str(tmp_path / "entry")
    run("member", "revoke", "eu-central", "--state", str(site.folder("us-east").path), "--prepare", entry)
    code, text = run("ledger", "sign", "--key", str(key), "--entry", entry, "--out", out, "--yes")
    assert (code, text) == (2, f"isthmus: E122 {key} has mode 0644: must be 0600, run `chmod 600 {key}`\n")


def test_an_anchor_is_rotated_with_a_key_that_never_saw_the_registrar(tmp_path: Path) -> None:
    """us-east alone, its registrar's controller running: each of the two entries is prepared, signed elsewhere, imported."""
    safe = tmp_path / "federation.key"
    with running(tmp_path) as site:
        state = str(site.folder("us-east").path)
        shutil.move(site.folder("us-east").federation_key, safe)
        assert run("member", "revoke", "eu-central", "--state", state, "--prepare", str(tmp_path / "gone"))[0] == 0
        sign_and_import(state, safe, tmp_path / "gone")
        assert run("member", "anchor", "us-east", "--state", state, "--prepare", str(tmp_path / "none")) == (
            2,
            'isthmus: E104 member "us-east" asks for no change of its anchors; members that do: none\n',
        )
        before = json.loads(run("trust", "rotate", "--state", state)[1])
        assert before["waits"][0]["name"] == "the registrar"
        assert run("member", "anchor", "us-east", "--state", state)[0] == 2
        for step, anchors in (("prepare", 2), ("revoke", 1)):
            await_true(f"{step} asks", lambda step=step: asks(state) == step)  # type: ignore[misc]
            entry = tmp_path / step
            code, said = run("member", "anchor", "us-east", "--state", state, "--prepare", str(entry))
            assert (code, json.loads(said)) == (0, {"member": "us-east", "anchors": anchors})
            sign_and_import(state, safe, entry)
        await_true("it is done", lambda: asks(state) == "idle")
        after = json.loads(run("trust", "status", "--state", state)[1])
        assert after["anchor"] == before["new"] != before["anchor"]


def asks(state: str) -> str:
    """The phase in which something is asked of the registrar, "idle", or "" in between."""
    told = json.loads(run("trust", "status", "--state", state)[1])
    return str(told["phase"]) if told["requests"] or told["phase"] == "idle" else ""


def sign_and_import(state: str, key: Path, entry: Path) -> None:
    signed = entry.with_suffix(".signed")
    assert run("ledger", "sign", "--key", str(key), "--entry", str(entry), "--out", str(signed), "--yes")[0] == 0
    assert run("ledger", "import", "--state", state, "--signed", str(signed))[0] == 0

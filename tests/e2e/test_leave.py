"""A member leaves by its own wish: two real controllers, by the public commands."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.netns.spaces import await_true
from tests.worlds.ports import free_port
from tests.worlds.public_cli import ISTHMUS, Site

EU, JOIN = "eu-central", f"127.0.0.1:{free_port()}"
LEFT = (
    "this member has left: it serves its own cluster alone; it comes back with new keys and a token made with --rejoin"
)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Both run and talk; eu-central offers shop/web."""
    made = Site(tmp_path / "site")
    made.path.mkdir()
    made.join_listen = JOIN
    try:
        made.found()
        made.run("us-east")
        made.join_listen = ""
        made.run(EU)
        offer(made)
        await_true("us-east has its service", lambda: services(made, "us-east") == ["shop/web"], 30)
        yield made
    finally:
        made.stop()


def offer(site: Site) -> None:
    meta = {"metadata": {"namespace": "shop", "name": "web"}}
    service = {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"name": "http", "port": 80}]}}
    exported = {"apiVersion": "multicluster.x-k8s.io/v1beta1", "kind": "ServiceExport"}
    texts = (json.dumps(one | meta) for one in (service, exported))
    (site.path / EU / "manifests" / "web.yaml").write_text("\n---\n".join(texts))


def services(site: Site, member: str) -> list[str]:
    return [row["service"] for row in site.status(member)["services"]]


def leave(site: Site, member: str, *more: str) -> tuple[int, Any]:
    words = [ISTHMUS, "leave", "--state", str(site.folder(member).path), *more]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, json.loads(done.stdout)["state"] if done.returncode == 0 else done.stderr.strip()


def members(site: Site, at: str) -> dict[str, str]:
    """By `isthmus members`: each one's notes, or what it is instead of a member."""
    said = json.loads(site.cli("members", "--api", str(site.folder(at).api), "--output", "json"))
    here = {row["member"]: "; ".join(row["notes"]) for row in said["members"]}
    return {row["member"]: row["state"] for row in said["former"]} | here


def test_a_member_leaves_is_told_so_stays_away_over_restarts_and_joins_again(site: Site, tmp_path: Path) -> None:
    assert leave(site, "us-east") == (
        2,
        'isthmus: E102 member "us-east" is the registrar and cannot leave; first run `isthmus registrar move --to NAME`',
    )
    assert leave(site, EU) == (0, "asks to leave")
    await_true("the leaver is told", lambda: site.status(EU)["membership"] == [LEFT], 30)
    await_true("the service is gone", lambda: not services(site, "us-east"), 30)
    assert members(site, "us-east") == {"us-east": "", EU: "left"}
    assert services(site, EU) == ["shop/web"], "its own cluster is served on"
    assert (leave(site, EU), leave(site, EU, "--abort")[0]) == ((0, "left"), 2)
    told = [line for line in site.log(f"{EU}-controller") if line["message"] == "membership"]
    assert [line["state"] for line in told] == ["asks to leave", "left"]

    for member in ("us-east", EU):
        site.kill(f"{member}-controller")
        site.run_controller(member)
    assert members(site, "us-east") == {"us-east": "", EU: "left"}
    assert (site.status(EU)["membership"], services(site, EU)) == ([LEFT], ["shop/web"])
    assert not site.status("us-east")["disk"]["problems"]


def test_a_wish_is_taken_back_and_one_with_the_key_elsewhere_is_granted_by_hand(site: Site, tmp_path: Path) -> None:
    key = tmp_path / "federation.key"
    shutil.move(site.folder("us-east").federation_key, key)
    state = ("--state", str(site.folder("us-east").path))
    assert leave(site, EU) == (0, "asks to leave")
    await_true("the wish is seen", lambda: members(site, "us-east")[EU] == "asks to leave")
    assert members(site, EU)[EU] == "asks to leave"
    site.kill(f"{EU}-controller")
    site.run_controller(EU)
    await_true("the wish outlives the restart", lambda: members(site, EU)[EU] == "asks to leave")
    assert leave(site, EU, "--abort") == (0, "active")
    await_true("the wish is gone", lambda: members(site, "us-east") == {"us-east": "", EU: ""}, 30)
    entry, signed = str(tmp_path / "entry"), str(tmp_path / "signed")
    words = [ISTHMUS, "member", "leave", EU, *state, "--prepare", entry]
    refused = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (refused.returncode, refused.stderr) == (
        2,
        'isthmus: E104 member "eu-central" does not ask to leave; members that do: none\n',
    )
    assert leave(site, EU) == (0, "asks to leave")
    await_true("the wish is seen again", lambda: members(site, "us-east")[EU] == "asks to leave")
    assert json.loads(site.cli(*words[1:])) == {"member": EU, "state": "left"}
    site.cli("ledger", "sign", "--key", str(key), "--entry", entry, "--out", signed, "--yes")
    site.kill(f"{EU}-controller")
    ledger = str(tmp_path / "ledger")
    site.cli("ledger", "import", *state, "--signed", signed, "--ledger", ledger)
    await_true("the entry is in force", lambda: members(site, "us-east")[EU] == "left")
    site.run_controller(EU)
    assert members(site, EU)[EU] == "asks to leave", "nobody speaks to it any more"
    site.cli("member", "accept", "--state", str(site.folder(EU).path), "--ledger", ledger)
    await_true("it knows by the file", lambda: site.status(EU)["membership"] == [LEFT])


def test_who_left_joins_again_only_by_a_token_for_that_and_with_new_keys(site: Site, tmp_path: Path) -> None:
    assert leave(site, EU) == (0, "asks to leave")
    await_true("it has left", lambda: members(site, "us-east") == {"us-east": "", EU: "left"}, 30)
    code, error = join(site, tmp_path / "refused", token(site))
    assert code == 2 and error.endswith("… and has left; choose another name, or let it in again with --rejoin")
    for program in ("controller", "signer"):
        site.kill(f"{EU}-{program}")
    shutil.move(site.folder(EU).path, tmp_path / "former")
    assert join(site, site.folder(EU).path, token(site, "--rejoin")) == (0, "")
    site.run(EU)
    await_true("it is a member again", lambda: members(site, "us-east") == {"us-east": "", EU: ""}, 30)
    await_true("its service is back", lambda: services(site, "us-east") == ["shop/web"], 30)
    assert [row["number"] for row in site.status("us-east")["members"]] == [1, 3]
    assert site.status(EU)["membership"] == []


def token(site: Site, *more: str) -> str:
    state = ("--state", str(site.folder("us-east").path))
    return site.cli("token", "create", *state, "--name", EU, "--registrar", JOIN, *more).strip()


def join(site: Site, state: Path, text: str) -> tuple[int, str]:
    words = [ISTHMUS, "join", "--state", str(state), "--token", text, *site._place(EU)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr.strip()

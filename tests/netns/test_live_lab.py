"""A live lab looked at as a user would: status, explain, metrics, and the words for what is wrong."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ISTHMUS = str(Path(sys.executable).with_name("isthmus"))
MEMBERS = ("us-east", "us-west", "eu-central")
METRICS = {
    9101: "isthmus_reconcile_passes_total",
    9102: "isthmus_agent",
    9103: "isthmus_agent",
    9104: "isthmus_dns_queries_total",
    9105: "isthmus_signer_requests_total",
}
SCRAPE = "import sys, urllib.request as u; print(u.urlopen(f'http://127.0.0.1:{sys.argv[1]}/metrics', timeout=5).read().decode())"

pytestmark = pytest.mark.netns


def isthmus(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ISTHMUS, *words], timeout=120, check=False, capture_output=True, text=True)


@contextmanager
def raised() -> Iterator[Path]:
    """A lab in a folder of its own, down again after the block whatever happened in it."""
    with tempfile.TemporaryDirectory(prefix="ist") as directory:
        path = Path(directory) / "lab"
        try:
            up = isthmus("lab", "up", "--dir", str(path))
            assert up.returncode == 0, up.stderr
            yield path
        finally:
            isthmus("lab", "down", "--dir", str(path))


@pytest.fixture(scope="module")
def lab() -> Iterator[Path]:
    with raised() as path:
        yield path


def api(lab: Path, member: str) -> str:
    return str(lab / member / "state" / "api.sock")


def status(lab: Path, member: str) -> dict[str, object]:
    answer = isthmus("status", "--api", api(lab, member), "--output", "json")
    assert answer.returncode == 0, answer.stderr
    return dict(json.loads(answer.stdout))


@pytest.mark.parametrize("member", MEMBERS)
def test_status_says_what_is_wanted_and_reached(lab: Path, member: str) -> None:
    found = json.loads(json.dumps(status(lab, member)))
    assert {node["node"]: node["current"] for node in found["nodes"]} == {"gw1": True, "node1": True, "dns1": True}
    assert [row["session"] for row in found["members"]] == ["up", "up", "up"]
    assert sorted(row["member"] for row in found["links"]) == sorted(set(MEMBERS) - {member})
    assert all(row["handshake_age"] >= 0 for row in found["links"])
    assert found["cluster"] == {"certainty": "fresh", "problems": []}


def test_the_round_trip_is_measured_and_becomes_the_cost(lab: Path) -> None:
    deadline = time.monotonic() + 30
    cost, by = 1002, ""
    while time.monotonic() < deadline and not (by == "round trip, ms" and 88 <= cost <= 130):
        told = isthmus("explain", "shop/web", "--from", "us-east", "--api", api(lab, "us-east"), "--output", "json")
        [row] = json.loads(told.stdout)["inputs"]
        cost, by = row["cost"], row["cost_from"]
    assert (by, 88 <= cost <= 130) == ("round trip, ms", True), cost


def test_status_and_explain_are_readable(lab: Path) -> None:
    text = isthmus("status", "--api", api(lab, "us-east"))
    assert text.returncode == 0
    assert "eu-central 100 %" in text.stdout
    told = isthmus("explain", "shop/web", "--from", "us-east", "--api", api(lab, "us-east"))
    assert "eu-central takes 100 % (next by cost)" in told.stdout


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("shop/none",), 'isthmus: E104 service "shop/none" is not imported here: no member exports it\n'),
        (("shop",), 'isthmus: E114 "shop": write a service as NAMESPACE/NAME, a public name as shop.example.com\n'),
    ],
)
def test_explain_of_nothing_is_one_line(lab: Path, words: tuple[str, ...], text: str) -> None:
    answer = isthmus("explain", *words, "--from", "us-east", "--api", api(lab, "us-east"))
    assert (answer.returncode, answer.stderr) == (2, text)


@pytest.mark.parametrize("member", MEMBERS)
@pytest.mark.parametrize("port", METRICS)
def test_every_process_serves_metrics(lab: Path, member: str, port: int) -> None:
    answer = isthmus("lab", "exec", "--dir", str(lab), member, sys.executable, "-c", SCRAPE, str(port))
    assert answer.returncode == 0, answer.stderr
    assert METRICS[port] in answer.stdout


def test_a_second_lab_in_the_folder_is_refused_by_name(lab: Path) -> None:
    answer = isthmus("lab", "up", "--dir", str(lab))
    assert answer.returncode == 2
    name = json.loads((lab / "lab.json").read_text())["lab"]
    assert answer.stderr == (
        f'isthmus: E182 lab "{name}" is already in {lab}: use it, end it with `isthmus lab down --dir {lab}`, '
        "or name another folder with --dir\n"
    )


def test_a_bad_manifest_is_named_and_the_last_good_state_stays(lab: Path) -> None:
    folder = lab / "eu-central" / "manifests"
    path = folder / "typo.yaml"
    path.write_text("apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {prots: []}\n")
    line = f'{path}:4: unknown field "spec.prots", did you mean "spec.ports"?; the last good state stays in force'
    try:
        assert line in wait_for_problem(lab)
        found = json.loads(json.dumps(status(lab, "us-east")))
        assert found["services"][0]["shares"] == [{"member": "eu-central", "ppm": 1_000_000}]
    finally:
        path.unlink()


def wait_for_problem(lab: Path) -> list[str]:
    """The problems of eu-central's cluster, once there are any: a process of its own has to read the file first."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = json.loads(json.dumps(status(lab, "eu-central")))
        if found["cluster"]["problems"]:
            return list(found["cluster"]["problems"])
    return []


def test_a_second_dns_server_on_a_folder_or_a_port_is_one_line(lab: Path, tmp_path: Path) -> None:
    def serve(state: Path) -> str:
        where = ("lab", "exec", "--dir", str(lab), "us-east", ISTHMUS, "dns", "serve")
        answer = isthmus(*where, "--state", str(state), "--listen", "10.1.0.1:53")
        assert answer.returncode == 2
        return answer.stderr.splitlines()[-1]

    state = lab / "us-east" / "dns"
    assert (
        serve(state) == f"isthmus: E122 {state}/dns.sock: another DNS server is running on this folder; stop it first"
    )
    other = shutil.copytree(state, tmp_path / "dns", ignore=shutil.ignore_patterns("*.sock"))
    assert (
        serve(other) == 'isthmus: E122 --listen "10.1.0.1:53": Address already in use; choose another address or port'
    )

"""Join, leave, rejoin and restore on real processes in one live federation."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.lab import look, manifests
from federation.lab.cluster import Folder
from federation.lab.manifests import Listed
from federation.lab.topology import Endpoint
from tests.netns.fourth import FOURTH, KEPT, SECONDS, Federation, founded, in_etcd, kept
from tests.netns.spaces import await_true, entered
from tests.netns.test_live_lab import isthmus
from tests.worlds.etcd import Etcd, needs_etcd

pytestmark = [pytest.mark.netns, needs_etcd]

THREE_WAYS = {
    "old": "known nothing, the store has #, would be nothing",
    "new": "known #, the store has nothing, would be #",
    "doomed": "known #, the store has #, would be nothing",
}
OTHERS = ("us-east", "us-west", KEPT)
LEFT = (
    "this member has left: it serves its own cluster alone; it comes back with new keys and a token made with --rejoin"
)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Federation, Etcd]]:
    with founded(tmp_path_factory.mktemp("etcd")) as made:
        yield made


def seen_by_all(live: Federation, how: str, serves: bool) -> None:
    for at in OTHERS:
        await_true(f"{at} has it {how}", lambda at=at: (live.seen(at), live.serves(at)) == (how, serves), SECONDS)  # type: ignore[misc]


def test_a_fourth_member_joins_leaves_and_comes_back_with_new_keys(live: tuple[Federation, Etcd]) -> None:
    federation, _ = live
    assert federation.join(federation.token()) == 4
    federation.run_fourth()
    seen_by_all(federation, "up", serves=True)

    begun = time.monotonic()
    said = isthmus("leave", "--state", str(federation.state(FOURTH)))
    assert said.returncode == 0, said.stderr
    seen_by_all(federation, "left", serves=False)
    print(f"left, and gone from all others, in {time.monotonic() - begun:.1f} s")
    await_true("it is told", lambda: federation.status(FOURTH)["membership"] == [LEFT], SECONDS)
    assert federation.seen(FOURTH, "us-east") == ""
    assert federation.serves(FOURTH), "its own cluster is served on"

    federation.end_fourth()
    federation.state(FOURTH).rename(federation.path / "former")
    assert federation.join(federation.token("--rejoin")) == 5
    federation.run_fourth()
    seen_by_all(federation, "up", serves=True)


def offer(federation: Federation, service: str, number: int) -> None:
    pod = Endpoint(f"eu-{service}", f"10.3.1.{number}", "eu-central-1a", service)
    manifests.set_endpoints(Folder(federation.path / KEPT / "manifests"), [Listed(pod)], service)


def withdraw(federation: Federation, service: str) -> None:
    for path in (federation.path / KEPT / "manifests").glob(f"{service}*.yaml"):
        path.unlink()


def record(federation: Federation, at: str) -> tuple[int, int]:
    """Where eu-central's record is, as this member holds it."""
    said = federation.status(at)
    rows = [said["record"]] if at == KEPT else [row["record"] for row in said["members"] if row["member"] == KEPT]
    return (rows[0]["epoch"], rows[0]["generation"]) if rows and rows[0] else (0, 0)


def test_c14_a_revoked_member_stays_revoked_after_the_restore_of_an_older_store_which_no_client_notices(
    live: tuple[Federation, Etcd], tmp_path: Path
) -> None:
    federation, server = live
    space, backup = federation.machine(KEPT), tmp_path / "backup"
    await_true("the fourth is a member", lambda: federation.seen(KEPT) == "up", SECONDS)
    offer(federation, "old", 40)
    offer(federation, "doomed", 43)
    await_true("what is offered is written", lambda: written(federation, server) == {"old", "doomed"}, SECONDS)
    with entered(space):
        server.snapshot(backup)
    await_true("the store answers again", lambda: not federation.status(KEPT)["store"]["problems"], SECONDS)

    withdraw(federation, "old")
    offer(federation, "new", 41)
    said = isthmus("member", "revoke", FOURTH, "--state", str(federation.state("us-east")))
    assert said.returncode == 0, said.stderr
    seen_by_all(federation, "revoked", serves=False)
    await_true("the newer state is written", lambda: written(federation, server) == {"doomed", "new"}, SECONDS)

    with look.recording(federation.lab, "us-east", "--rate", "20") as answers:
        await_true("clients are served", lambda: len(answers) >= 20)
        restore(federation, server, backup)
        asked = len(answers)
        await_true("clients are served on", lambda: len(answers) >= asked + 40)
    assert [look.told(answer) for answer in answers if not answer["ok"]] == []
    assert {answer["member"] for answer in answers} == {KEPT}
    print(f"{len(answers)} requests meanwhile, none failed")

    federation.stop(f"{KEPT}-own")
    federation.control(KEPT, *in_etcd(server))
    await_true("all converge", lambda: len({record(federation, at) for at in OTHERS}) == 1, SECONDS)
    seen_by_all(federation, "revoked", serves=False)
    reached = "the revoked one, which knows nothing of it, reaches nobody"
    await_true(reached, lambda: {federation.seen(FOURTH, at) for at in OTHERS} == {"down"}, SECONDS)


def written(federation: Federation, server: Etcd) -> set[str]:
    """Those of our services that have an address in the store."""
    found = kept(federation, server)
    return {name for name in (*THREE_WAYS, "third") if f"kept/address/shop/{name}" in found}


def restore(federation: Federation, server: Etcd, backup: Path) -> None:
    """The older store comes back under the leader: found out, deletes frozen, accepted, converged."""
    begun = time.monotonic()
    with entered(federation.machine(KEPT)):
        server.restore(backup)
    await_true("it is found out", lambda: backwards(federation), SECONDS)
    found = time.monotonic()
    withdraw(federation, "doomed")
    offer(federation, "third", 42)
    await_true("what is new is written", lambda: "third" in written(federation, server), SECONDS)
    await_true("and reaches others", lambda: federation.serves("us-east", "third"), SECONDS)
    await_true("as does what is gone", lambda: not federation.serves("us-east", "doomed"), SECONDS)
    assert {"old", "doomed"} <= written(federation, server), "deletes are frozen"
    accepted = time.monotonic()
    said = isthmus("store", "accept", "--state", str(federation.state(KEPT)), "--yes")
    lines = said.stdout.splitlines()
    assert lines[0].startswith("store went backwards: revision ")
    rows = {name: next(line for line in lines if line.startswith(f"address/shop/{name}: ")) for name in THREE_WAYS}
    found_rows = {name: re.sub('"[0-9]+"', "#", row.partition(": ")[2]) for name, row in rows.items()}
    assert found_rows == THREE_WAYS
    await_true("it is as it should be", lambda: not federation.status(KEPT)["store"]["problems"], SECONDS)
    assert written(federation, server) == {"new", "third"}
    for at in ("us-east", "us-west"):
        await_true(f"{at} converges", lambda at=at: record(federation, at) == record(federation, KEPT), SECONDS)  # type: ignore[misc]
    done = time.monotonic()
    print(
        f"restored store found out after {found - begun:.1f} s; accepted and all converged {done - accepted:.1f} s after the command"
    )


def backwards(federation: Federation) -> bool:
    return any(text.startswith("store went backwards: ") for text in federation.status(KEPT)["store"]["problems"])

from typing import Any

import pytest

from federation.lab.api import problems

MEMBERS = ("us-east", "eu-central")


def well() -> dict[str, Any]:
    return {
        "member": "us-east",
        "members": [{"member": "us-east", "session": "self"}, {"member": "eu-central", "session": "up"}],
        "nodes": [
            {"node": name, "role": role, "current": True, "problems": [], "wanted": 3, "reached": 3}
            for name, role in (("gw1", "gateway"), ("node1", "node"), ("dns1", "dns"))
        ],
        "links": [{"node": "gw1", "member": "eu-central", "handshake_age": 0.0, "rx": 1, "tx": 1}],
    }


def test_all_is_well() -> None:
    assert problems(well(), MEMBERS) == []


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda s: s["members"].pop(), "us-east: the session with eu-central is absent"),
        (lambda s: s["members"][1].update(session="down"), "us-east: the session with eu-central is down"),
        (lambda s: s["nodes"].pop(0), "us-east: no gateway has reported"),
        (
            lambda s: s["nodes"][1].update(current=False, reached=2),
            "us-east: node1 is not current: reached 2 of 3",
        ),
        (
            lambda s: s["nodes"][1].update(current=False, problems=["nft: no"]),
            "us-east: node1 is not current: nft: no",
        ),
        (lambda s: s["links"].clear(), "us-east: no WireGuard handshake with eu-central"),
        (lambda s: s["links"][0].update(handshake_age=-1), "us-east: no WireGuard handshake with eu-central"),
        (
            lambda s: s["links"][0].update(handshake_age=None),
            "us-east: no WireGuard handshake with eu-central",
        ),
    ],
)
def test_each_thing_that_is_missing_is_named(change: Any, line: str) -> None:
    status = well()
    change(status)
    assert problems(status, MEMBERS) == [line]

"""What `isthmus status` prints of a member's programs."""

from typing import Any

import pytest

from federation.cli.tables import print_status

EMPTY: dict[str, Any] = {
    "member": "us-east",
    "revision": 7,
    "cluster": {"certainty": "fresh", "problems": []},
    "store": {"problems": []},
    "disk": {"problems": []},
    "members": [],
    "links": [],
    "services": [],
    "names": [],
    "foreign": [],
    "held": [],
    "trust": {},
    "membership": [],
    "unplanned": [],
    "problem": "",
}


def program(role: str, path: str) -> dict[str, Any]:
    same = {"session": "up", "wanted": "aa", "reached": "aa", "problems": []}
    return {"node": f"{role}1", "role": role, "packet_path": path, **same}


def test_of_each_dns_server_it_says_what_answers_datagrams(capsys: pytest.CaptureFixture[str]) -> None:
    print_status({**EMPTY, "nodes": [program("dns", "rust"), program("node", "")]})
    printed = [" ".join(line.replace("│", " ").split()) for line in capsys.readouterr().out.splitlines()]
    assert "dns1 dns (rust) up aa aa" in printed
    assert "node1 node up aa aa" in printed

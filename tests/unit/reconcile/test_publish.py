"""What leaves the process, and what a failure before it leaves due."""

from types import SimpleNamespace
from typing import Any, cast

from federation.adapters.memory import MemoryStore
from federation.config import Enrolment
from federation.model.handout import Here, Role
from federation.model.names import MemberName
from federation.reconcile.publish import Publications
from federation.session.tree import Tree, tree_of

RECORD = tree_of({"a": b"1"})
ADDRESSES = {"n1": "fd49:7374:1:0:1::", "n2": "fd49:7374:1:0:1::1"}
PROGRAMS = {"n1": Enrolment(name="n1", role="node")}


def roles(text: bytes) -> dict[Role, Tree]:
    return {"node": tree_of({"x": text})}


def here(one: Enrolment) -> Here:
    return Here(overlay=ADDRESSES[one.name])


def publications(got: list[str]) -> Publications:
    agents = SimpleNamespace(publish=lambda name, tree, head: got.append(name), forget=lambda name: None)
    peers = SimpleNamespace(publish=lambda tree, head: got.append("record"))
    other: Any = SimpleNamespace(head=lambda tree: b"head", wall=lambda: 1.0)
    return Publications(MemberName("us-east"), cast(Any, peers), cast(Any, agents), other, MemoryStore(), other)


def test_what_was_due_when_the_store_failed_is_due_again() -> None:
    """A pass that publishes nothing, as while the guard holds, may come between."""
    got: list[str] = []
    out = publications(got)
    out.batch(RECORD, roles(b"1"), PROGRAMS, here)
    out.send(out.batch(RECORD, roles(b"1"), PROGRAMS, here))
    assert got == ["record", "n1"]


def test_nobody_is_given_the_same_again_and_a_new_program_is_given_what_stands() -> None:
    got: list[str] = []
    out = publications(got)
    out.send(out.batch(RECORD, roles(b"1"), PROGRAMS, here))
    out.send(out.batch(RECORD, roles(b"1"), PROGRAMS, here))
    assert got == ["record", "n1"]
    more = PROGRAMS | {"n2": Enrolment(name="n2", role="node")}
    out.send(out.batch(RECORD, roles(b"1"), more, here))
    assert got == ["record", "n1", "n2"]
    out.send(out.batch(RECORD, roles(b"2"), more, here))
    assert sorted(got[3:]) == ["n1", "n2"]

"""Whom the controller takes for one of its agents."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from federation.adapters.clock import SystemClock
from federation.adapters.memory import MemoryCluster
from federation.config import Enrolment
from federation.daemon import Controller
from federation.model.errors import InputError, Refused
from federation.model.spiffe import parse_spiffe
from federation.trust.programs import Programs

EAST = "spiffe://us-east.acme.mesh/ns"


def programs() -> Programs:
    known = {"gw1": Enrolment(name="gw1", role="gateway")}
    return Programs("us-east.acme.mesh", Path("none"), MemoryCluster(), SystemClock(), known.get)


def test_an_enrolled_agent_is_known_by_its_exact_identity() -> None:
    assert programs().who(parse_spiffe(f"{EAST}/isthmus/sa/agent-gw1")).name == "gw1"


@pytest.mark.parametrize(
    "text",
    [
        f"{EAST}/shop/sa/agent-gw1",
        f"{EAST}/isthmus/sa/agent-gw2",
        f"{EAST}/isthmus/sa/gw1",
        f"{EAST}/isthmus/sa/controller",
        "spiffe://us-east.acme.mesh/agent-gw1",
        "spiffe://eu-central.acme.mesh/ns/isthmus/sa/agent-gw1",
    ],
)
def test_everybody_else_is_refused(text: str) -> None:
    with pytest.raises(Refused) as caught:
        programs().who(parse_spiffe(text))
    assert str(caught.value) == f"E105 {text} is neither an active member's controller nor an agent enrolled here"


def test_one_whose_admission_was_overruled_says_so_and_ends() -> None:
    made = Controller.__new__(Controller)
    ledger: Any = SimpleNamespace(members={}, term=2, registrar="eu-central")
    made.own = cast(Any, SimpleNamespace(name="ap-south"))
    made.ledger = cast(Any, SimpleNamespace(ledger=ledger))
    with pytest.raises(InputError) as caught:
        made._check_admitted()
    assert str(caught.value) == (
        'E102 admission of member "ap-south" was overruled by term 2 of the ledger; '
        'join again at "eu-central" with a new state folder'
    )

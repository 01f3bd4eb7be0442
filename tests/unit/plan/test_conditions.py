"""What is said of an object that was in force and is malformed now, and of one that never was."""

from typing import Any

import pytest

from federation.model.imported import Said
from federation.model.local import LocalFacts
from federation.model.names import MemberName, ServiceKey
from federation.model.public import GlobalName
from federation.model.record import Port
from federation.model.wish import Wish
from federation.plan.service import ServiceInputs, plan_service

WEB = ServiceKey("shop", "web")
SHOP = GlobalName(host="shop.example.com", service=WEB)
WRONG = 'field "spec.x": is wrong'


def said(of: str, name: str, names: dict[str, GlobalName], **facts: Any) -> Said:
    """Of this object at generation 7, which is malformed."""
    local = LocalFacts(key=WEB, faults={(of, name): WRONG}, generations={(of, name): 7}, names=names, **facts)
    inputs = ServiceInputs(
        own=MemberName("us-east"),
        region="us-east",
        order=1,
        local=local,
        peers=(),
        addresses=(),
        listeners={"http.TCP.80": 20_000},
        names=names,
        numbers={MemberName("us-east"): 1},
        native=True,
    )
    [found] = [one for one in plan_service(inputs).cluster if isinstance(one, Said) and one.kind == of]
    return found


CASES: dict[str, tuple[Said, list[tuple[str, bool, str]]]] = {
    "an export that stands": (
        said("ServiceExport", "web", {}, exported=True, kind="ClusterSetIP", ports=(Port("http", 80),)),
        [
            ("Valid", False, f"{WRONG}; the last good state stays in force"),
            ("Ready", True, "Exported to the federation."),
            ("Conflict", False, "All exports of this service agree."),
        ],
    ),
    "an export that never was": (
        said("ServiceExport", "web", {}, kind="ClusterSetIP", ports=(Port("http", 80),)),
        [("Valid", False, f"{WRONG}; it is not exported"), ("Ready", False, "It is not exported: see Valid.")],
    ),
    "an export whose Service is gone": (
        said("ServiceExport", "web", {}, exported=True),
        [("Valid", False, f"{WRONG}; it is not exported"), ("Ready", False, "It is not exported: see Valid.")],
    ),
    "a policy that stands": (
        said("TrafficPolicy", "web", {}, policy=Wish()),
        [
            ("Accepted", False, f"{WRONG}; the last good one stays in force"),
            ("Merged", True, "No level asks for anything."),
            ("Programmed", True, "No proxy of this cluster refuses it."),
        ],
    ),
    "a policy that never was": (
        said("TrafficPolicy", "web", {}),
        [
            ("Accepted", False, f"{WRONG}; it is not in force"),
            ("Programmed", True, "No proxy of this cluster refuses it."),
        ],
    ),
    "a name that stands": (
        said("GlobalName", "shop", {"shop": SHOP}),
        [("Accepted", False, f"{WRONG}; the last good one stays in force")],
    ),
    "a name that never was": (
        said("GlobalName", "shop", {}),
        [("Accepted", False, f"{WRONG}; it is not in force")],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_malformed_object_says_what_is_in_force(case: str) -> None:
    found, conditions = CASES[case]
    assert [(one.type, one.status, one.message) for one in found.conditions] == conditions
    assert found.generation == 7

"""Handout and situation -> node state. Pure: equal input gives equal output, and nothing is looked up."""

from collections.abc import Mapping

from msgspec import Struct

from gateways.evidence import NOTHING, Evidence
from gateways.planner import Planner
from gateways.state import NodeState, Situation


def intend(situation: Situation, values: Mapping[str, Struct], evidence: Evidence = NOTHING) -> NodeState:
    """What this node must have in force, by the whole handout and by what it has seen itself, made from nothing.

    Without a `Site` (no handout yet) that is nothing, and a problem says so.
    """
    planner = Planner(situation)
    planner.step(values, evidence)
    return planner.state

"""The exact results that a second implementation of the law has to agree with."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from federation.law.case import Case
from federation.law.shares import rule
from federation.model.handout import Candidate

VECTORS: list[dict[str, Any]] = msgspec.json.decode(
    (Path(__file__).parents[2] / "vectors" / "law.json").read_bytes(), type=list[dict[str, Any]]
)
SAID = (
    "local first",
    "next by cost",
    "next by the policy's order",
    "up to its full capacity",
    "its ramp is left aside",
    "all alike by what they can take",
    "scaled up alike",
    "by the policy's weights",
    "canary",
    "least and most shares",
    "met as far as they can be",
    "shift from",
    "grants",
    "% of ",
    "leaves, ",
    "comes back",
    "outside the residency",
    "for a price",
    "panic: ",
    "open, as if",
    "takes the requests",
    "nobody is ready",
    "evidence is left aside",
    "the drain is left aside",
    "very beginning",
)


def asked(vector: dict[str, Any]) -> tuple[list[Candidate], Case]:
    return msgspec.convert(vector["candidates"], list[Candidate]), msgspec.convert(vector["case"], Case)


@pytest.mark.parametrize("number", range(len(VECTORS)))
def test_the_law_gives_just_this(number: int) -> None:
    vector = VECTORS[number]
    ruling = rule(*asked(vector))
    assert {share.member: share.ppm for share in ruling.shares} == vector["shares"]
    assert [*ruling.standby] == vector["standby"]
    assert (ruling.until, ruling.fallback) == (vector["until"], vector["fallback"])


def test_the_vectors_reach_every_rule() -> None:
    said = "\n".join(line for vector in VECTORS for line in rule(*asked(vector)).rules)
    assert [words for words in SAID if words not in said] == []

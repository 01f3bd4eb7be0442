"""`isthmus flat` and `isthmus controller --flat-map`: what is refused, and what is shown."""

from typing import Any

import pytest

from federation.cli.flat import egress_line, line_of, parse_images
from federation.model.errors import InputError
from federation.model.flat import Image, seen_address, seen_range
from tests.worlds.command_line import said

GONE = "E190 /nowhere/api.sock: no controller answers (No such file or directory); is it running?"
API = ["--api", "/nowhere/api.sock"]
REFUSED = {
    "nobody there": (["flat", *API], GONE),
    "nobody to allow it": (["flat", "allow", "eu-central", *API], GONE),
    "nobody to deny it": (["flat", "deny", "eu-central", *API], GONE),
    "nobody to give it ranges": (["flat", "egress", "shop", "10.1.9.0/28", *API], GONE),
    "neither range nor removal": (
        ["flat", "egress", "shop", *API],
        "give one RANGE or more, or --remove See `isthmus flat egress --help`.",
    ),
    "range and removal": (
        ["flat", "egress", "shop", "10.1.9.0/28", "--remove", *API],
        "give one RANGE or more, or --remove See `isthmus flat egress --help`.",
    ),
    "options before the command": (
        ["flat", *API, "allow", "eu-central"],
        "give --api and --state after allow See `isthmus flat --help`.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case: str) -> None:
    arguments, told = REFUSED[case]
    assert said(*arguments) == (2, "", f"isthmus: {told}\n")


FORM = "write it as LOCAL=SHARED, such as 10.244.0.0/16=100.70.0.0/16"
BAD = {
    ("10.244.0.0/16",): f'E125 --flat-map "10.244.0.0/16": {FORM}',
    ("10.244.0.0/16=",): f'E125 --flat-map "10.244.0.0/16=": {FORM}',
    ("10.244.0.0/16=100.70.0.0/17",): (
        'E101 --flat-map "10.244.0.0/16=100.70.0.0/17": both must be of one family and length'
    ),
    ("10.244.0.0/16=fd00::/16",): 'E101 --flat-map "10.244.0.0/16=fd00::/16": both must be of one family and length',
    ("10.244.1.0/16=100.70.0.0/16",): 'E101 --flat-map "10.244.1.0/16": 10.244.1.0/16 has host bits set',
    ("0.0.0.0/0=100.70.0.0/16",): 'E101 --flat-map "0.0.0.0/0": a default route cannot be claimed',
    ("10.244.0.0/16=127.0.0.0/16",): ('E101 --flat-map "127.0.0.0/16" overlaps 127.0.0.0/8, which no member may claim'),
    ("10.244.0.0/16=10.244.0.0/16",): (
        'E101 --flat-map "10.244.0.0/16=10.244.0.0/16": 10.244.0.0/16 overlaps 10.244.0.0/16; give each address once'
    ),
    ("10.244.0.0/16=100.70.0.0/16", "10.244.3.0/24=100.71.0.0/24"): (
        'E101 --flat-map "10.244.3.0/24=100.71.0.0/24": 10.244.3.0/24 overlaps 10.244.0.0/16; give each address once'
    ),
    ("10.244.0.0/16=100.70.0.0/16", "10.245.0.0/16=100.70.0.0/16"): (
        'E101 --flat-map "10.245.0.0/16=100.70.0.0/16": 100.70.0.0/16 overlaps 100.70.0.0/16; give each address once'
    ),
}


@pytest.mark.parametrize("given", BAD, ids=lambda given: given[-1])
def test_what_is_no_image_is_refused(given: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        parse_images(given)
    assert str(caught.value) == BAD[given]


def test_an_image_is_one_to_one_in_both_families() -> None:
    images = parse_images(("10.244.0.0/16=100.70.0.0/16", "fd01::/48=fd02::/48"))
    assert images == (Image("10.244.0.0/16", "100.70.0.0/16"), Image("fd01::/48", "fd02::/48"))
    assert seen_address("10.244.3.7", images) == "100.70.3.7"
    assert seen_address("fd01::1:2", images) == "fd02::1:2"
    assert seen_address("10.9.0.1", images) == "10.9.0.1"
    assert seen_range("10.244.3.0/24", images) == "100.70.3.0/24"
    assert seen_range("10.0.0.0/8", images) == "10.0.0.0/8"


def row(**other: Any) -> dict[str, Any]:
    return {"member": "eu", "here": True, "there": True, "ranges": [], "why": "", "in_force": False} | other


def test_a_namespace_is_one_line() -> None:
    row = {"namespace": "shop", "ranges": ["10.1.9.0/28", "fd00:1::/112"], "nodes": 2}
    assert egress_line(row) == "egress shop: from 10.1.9.0/28, fd00:1::/112, at 2 nodes"
    assert egress_line(row | {"nodes": 1}).endswith(", at 1 node")


def test_a_pair_is_one_line() -> None:
    assert line_of(row(ranges=["10.2.0.0/16", "fd00::/48"], in_force=True)) == (
        "eu: allowed here, allowed there: in force, its pods are in 10.2.0.0/16, fd00::/48"
    )
    told = "not allowed here: run `isthmus flat allow eu`"
    assert line_of(row(here=False, why=told)) == f"eu: not allowed here, allowed there: {told}"

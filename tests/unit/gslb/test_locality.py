"""Where clients stand, and every fault of a file of subnets."""

import pytest
from gslb.client import Client, behind
from gslb.locality import parse_lines

from federation.model.errors import InputError
from tests.worlds.public_names import handout, place, table

LINES = """
# offices
192.0.2.0/24 us-west   # the first
192.0.2.128/25 eu-central

2001:db8:77::/48 eu-central
0.0.0.0/0 us-west
"""

PLACES = {
    "the longest prefix": (Client("192.0.2.200"), "eu-central", 25),
    "the shorter one where the longest does not reach": (Client("192.0.2.3"), "us-west", 25),
    "not beyond the bits of a client subnet": (behind("192.0.2.200"), "us-west", 6),
    "IPv6": (Client("2001:db8:77::1"), "eu-central", 48),
    "a member's own subnet": (Client("198.18.3.1"), "eu-central", 24),
    "a default": (Client("8.8.8.8"), "us-west", 1),
    "no default of IPv6": (Client("2001:db8:99::1"), None, 41),
}


@pytest.mark.parametrize("case", PLACES)
def test_a_client_stands_where_the_longest_prefix_says(case: str) -> None:
    client, member, bits = PLACES[case]
    assert table(handout(), LINES).subnets.locate(client) == (member, bits)


def test_the_operators_line_goes_before_a_members_range() -> None:
    assert table(handout(), "198.18.3.0/24 us-west").subnets.locate(Client("198.18.3.1"))[0] == "us-west"


def test_of_equal_ranges_our_own_counts_then_the_lowest_number() -> None:
    values = handout("us-west")
    for member in ("us-east", "us-west", "eu-central"):
        values[f"place/{member}"] = place(member, subnets=("10.0.0.0/8",))
    assert table(values).subnets.locate(Client("10.1.1.1"))[0] == "us-west"
    values["place/us-west"] = place("us-west", subnets=())
    assert table(values).subnets.locate(Client("10.1.1.1"))[0] == "us-east"


def test_a_region_means_its_member_with_the_lowest_number() -> None:
    values = handout()
    values["place/us-west"] = place("us-west", region="us")
    values["place/us-east"] = place("us-east", region="us")
    assert table(values, "192.0.2.0/24 us").subnets.locate(Client("192.0.2.1"))[0] == "us-east"


def test_a_line_that_names_nobody_is_a_problem_of_the_running_server() -> None:
    found = table(handout(), "192.0.2.0/24 us-west\n192.0.3.0/24 mars\n")
    assert found.problems == ('--subnets map:2: no member or region "mars"; known: eu-central, us-east, us-west',)
    assert found.subnets.locate(Client("192.0.2.1"))[0] == "us-west"


BAD = {
    "one word": ("192.0.2.0/24", '--subnets f:1: "192.0.2.0/24": write a line as CIDR MEMBER or CIDR REGION'),
    "three words": ("10.0.0.0/8 a b", '--subnets f:1: "10.0.0.0/8 a b": write a line as CIDR MEMBER or CIDR REGION'),
    "no range": ("here us", '--subnets f:1: "here": is not a range such as 192.0.2.0/24 or 2001:db8::/32'),
    "a mask of 33": ("# x\n\n10.0.0.0/33 us", '--subnets f:3: "10.0.0.0/33": is not a range such as 192.0.2.0/24 or 2001:db8::/32'),
    "host bits": ("10.0.0.1/8 us", '--subnets f:1: "10.0.0.1/8": has host bits set; write "10.0.0.0/8"'),
    "no name": ("10.0.0.0/8 US_East", '--subnets f:1: "US_East": a member or a region is a DNS label in lower case'),
    "twice": ("10.0.0.0/8 us\n10.0.0.0/8 eu", '--subnets f:2: "10.0.0.0/8" stands at f:1 already'),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_every_fault_of_a_line_is_said_with_its_place(case: str) -> None:
    text, said = BAD[case]
    with pytest.raises(InputError) as caught:
        parse_lines(text, "f")
    assert str(caught.value) == f"E122 {said}"

"""us-east refuses what eu-central says of where its namespaces' packets come from, when that is not its own."""

import pytest

from federation.model.flat import Egress
from tests.worlds.reader import GOOD, Reader

WHO = 'egress of namespace {} of member "eu-central"'
BAD = {
    ("shop", "10.1.9.0/28"): f"E103 {WHO}: 10.1.9.0/28 is in none of its reachable ranges [10.2.0.0/16]",
    ("shop", "10.0.0.0/8"): f"E103 {WHO}: 10.0.0.0/8 is in none of its reachable ranges [10.2.0.0/16]",
    ("shop", "10.2.9.1/28"): f"E120 {WHO}: 10.2.9.1/28 has host bits set",
    ("shop", "pods"): f"E120 {WHO}: 'pods' does not appear to be an IPv4 or IPv6 network",
    ("shop", *(f"10.2.{n}.0/28" for n in range(5))): f"E118 {WHO}: 5 ranges > 4",
    ("Shop", "10.2.9.0/28"): f"E114 {WHO}: is not a DNS label",
}


@pytest.mark.parametrize("said", BAD, ids=" ".join)
def test_what_is_refused(said: tuple[str, ...]) -> None:
    reader = Reader()
    told = f"{BAD[said].format(repr(said[0]))}; last good kept"
    assert reader.refusal(Egress(said[0], said[1:]), GOOD[2]) == told


def test_what_is_its_own_is_taken() -> None:
    reader = Reader()
    reader.take(*GOOD, Egress("shop", ("10.2.9.0/28",)))
    assert not reader.held.refusals

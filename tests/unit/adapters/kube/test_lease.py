"""When a Lease may be taken, and how long its holder may write: the follower's clock, the leader's clock, outages."""

import msgspec
import pytest

from federation.adapters.kube.lease import Election, Lease, furthest, micro_time, read_lease

LEASE = Lease(version="7", holder="other", term=3, writes=(2, 5))


def test_a_held_lease_is_free_ten_seconds_after_its_last_change_by_our_own_clock() -> None:
    one = Election("me")
    assert one.free_at() is None, "it was never seen"
    assert one.saw(LEASE, 100.0)
    assert not one.saw(LEASE, 104.0), "the same again is no news"
    assert one.free_at() == 110.0
    assert one.saw(msgspec.structs.replace(LEASE, version="8"), 105.0)
    assert one.free_at() == 115.0


@pytest.mark.parametrize(
    "lease", [None, msgspec.structs.replace(LEASE, holder=""), msgspec.structs.replace(LEASE, holder="me")]
)
def test_what_nobody_else_holds_is_free_at_once(lease: Lease | None) -> None:
    one = Election("me")
    one.saw(lease, 100.0)
    assert one.free_at() == 100.0


def test_after_an_outage_the_holder_is_given_time_to_say_that_it_lives() -> None:
    one = Election("me")
    one.saw(LEASE, 100.0)
    one.blind()
    assert one.free_at() is None and not one.sighted
    one.saw(LEASE, 130.0)
    assert one.free_at() == 135.0
    one.blind()
    one.saw(msgspec.structs.replace(LEASE, version="9"), 140.0)
    assert one.free_at() == 150.0, "it lives"


def test_a_leader_may_write_until_eight_seconds_after_it_sent_its_last_renewal() -> None:
    one = Election("me")
    mine = Lease(version="8", holder="me", term=4)
    one.saw(LEASE, 100.0)
    one.held(mine, 110.0, 112.5)
    assert one.is_ours(mine) and not one.is_ours(msgspec.structs.replace(mine, term=5))
    assert one.may_write(117.9) and not one.may_write(118.0)
    one.held(mine, 114.0, 114.1)
    assert one.may_write(121.9)
    one.ended()
    assert not one.may_write(114.2)


def test_terms_and_counts_never_go_back() -> None:
    one = Election("me")
    one.saw(LEASE, 1.0)
    one.saw(msgspec.structs.replace(LEASE, version="2", term=1, writes=(1, 6)), 2.0)
    assert (one.highest, one.writes) == (3, (2, 6))
    assert furthest((1,), (0, 4)) == (1, 4)


def test_what_is_written_is_read_again() -> None:
    one = Election("me")
    one.saw(LEASE, 1.0)
    body = one.body("ns", 0.25, holder="me", term=4, since=micro_time(0.25), listen="10.0.0.1:7443")
    assert body["metadata"] == {
        "name": "isthmus-controller",
        "namespace": "ns",
        "annotations": {"isthmus.dev/listen": "10.0.0.1:7443", "isthmus.dev/writes": "2,5"},
        "resourceVersion": "7",
    }
    assert body["spec"] == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 10,
        "acquireTime": "1970-01-01T00:00:00.250000Z",
        "renewTime": "1970-01-01T00:00:00.250000Z",
        "leaseTransitions": 4,
    }
    again = read_lease(msgspec.json.encode(body))
    assert (again.holder, again.term, again.listen, again.writes) == ("me", 4, "10.0.0.1:7443", (2, 5))


def test_a_lease_of_somebody_else_s_making_is_read_as_far_as_it_goes() -> None:
    bare = read_lease(b'{"metadata":{"resourceVersion":"3","annotations":{"isthmus.dev/writes":"x,1"}},"spec":{}}')
    assert bare == Lease(version="3", holder="", term=0)

"""Where a peer is looked for, in virtual time: two ends behind NAT find each other, and a link that works is left alone."""

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct, structs

from gateways.reach import (
    SILENT,
    STEADY,
    TURN,
    Contact,
    Contacts,
    Now,
    aim,
    is_heard,
    look,
    straightened,
    turned,
    turns,
)
from gateways.render.wireguard import Actual, Counters, Device, DropPeer, Peer, SetPeer

A, B, C, D = (f"192.0.2.{number}:51820" for number in range(1, 5))
PEER = Peer(key=b"p" * 32, endpoint=A, allowed=("fd49:7374:0:2::/64",))
KNOWN = structs.replace(PEER, alternates=(B,), sighted=(C, D))
SHAKEN = Counters(handshake=1, rx=100)


@pytest.mark.parametrize(
    ("peer", "at", "wanted"),
    [
        (PEER, "", (A,)),
        (PEER, A, (A,)),
        (PEER, B, (A, B)),
        (structs.replace(PEER, alternates=(B, A)), "", (A, B)),
        (structs.replace(PEER, sighted=(A,)), "", (A,)),
        (KNOWN, "", (A, C, B, D)),
        (KNOWN, D, (A, C, B, D)),
        (structs.replace(KNOWN, sighted=(C,)), D, (A, C, B, D)),
        (structs.replace(KNOWN, alternates=()), "", (A, C, A, D)),
        (structs.replace(KNOWN, endpoint="", alternates=()), C, ()),
    ],
)
def test_a_round_takes_the_record_and_what_is_heard_by_turns(peer: Peer, at: str, wanted: tuple[str, ...]) -> None:
    assert turns(peer, at) == wanted


def follow(contact: Contact | None, counts: Sequence[tuple[float, str, Counters]], peer: Peer = KNOWN) -> Contact:
    """The contact after these looks: when, what the device holds, what it counted."""
    for now, endpoint, count in counts:
        contact = turned(look(contact, endpoint, count, now), peer, now)
    assert contact is not None
    return contact


def test_a_peer_that_is_heard_is_left_where_it_is() -> None:
    counts = [(now, "203.0.113.9:1", structs.replace(SHAKEN, rx=100 + int(now) // 10)) for now in range(0, 600, 3)]
    found = follow(None, counts)
    assert found.turn == 0 and is_heard(found, 599) and found.told == "203.0.113.9:1"


def test_a_peer_that_falls_silent_is_looked_for_after_its_keepalives_were_missed() -> None:
    before = follow(None, [(0, A, SHAKEN), (SILENT - 1, A, SHAKEN)])
    assert before.turn == 0
    after = follow(before, [(SILENT + 3 * n, A, SHAKEN) for n in range(9)])
    assert after.turn == 5 and after.heard == 0


def test_a_peer_never_heard_has_a_turn_everywhere_and_is_left_when_it_speaks() -> None:
    contact: Contact | None = None
    tried = [A]
    for now in range(0, 61, 3):
        before = contact
        contact = follow(contact, [(now, tried[-1], Counters())])
        if before is not None and contact.turn != before.turn:
            tried.append(aim(contact, KNOWN))
    assert tried[:6] == [A, C, B, D, A, C] and len(tried) == 11
    spoke = follow(contact, [(63, "203.0.113.9:1", Counters(rx=148)), (69, "203.0.113.9:1", Counters(rx=148))])
    assert spoke.turn == 10 and not spoke.told


def test_others_are_told_of_a_place_once_it_is_steady_and_no_more_when_the_session_is_over() -> None:
    one, two = "203.0.113.9:1", "203.0.113.9:2"
    first = follow(None, [(0, A, Counters()), (1, one, Counters(1, 5)), (2, one, Counters(1, 6))])
    assert first.told == ""
    steady = follow(first, [(1 + STEADY, one, Counters(1, 7))])
    assert steady.told == one
    moved = follow(steady, [(20, two, Counters(1, 8)), (21, two, Counters(1, 9))])
    assert moved.told == one
    again = follow(moved, [(20 + STEADY, two, Counters(1, 10))])
    assert again.told == two
    assert follow(again, [(100, two, Counters(1, 10))]).told == two
    assert follow(again, [(250, two, Counters(1, 10))]).told == ""


def test_counters_that_begin_anew_are_no_sign_of_life() -> None:
    contact = follow(None, [(0, A, SHAKEN), (30, A, Counters())])
    assert contact.heard == 0 and contact.rx == 0
    assert follow(contact, [(31, A, Counters(rx=10))]).heard == 31


def test_only_the_end_that_starts_sets_a_peer_anew_and_only_without_a_handshake() -> None:
    for starts, handshake, steps in ((True, 0, [DropPeer, SetPeer]), (False, 0, [SetPeer]), (True, 9, [SetPeer])):
        peer = structs.replace(KNOWN, starts=starts)
        device = Device(name="ist0", private_key=b"", port=1, peers=(peer,))
        actual = Actual(device, {peer.key: Counters(handshake=handshake)})
        contacts = Contacts()
        assert contacts.look(device, actual, Now(0, 0)) == []
        made = contacts.look(device, actual, Now(SILENT + TURN, 0))
        assert list(map(type, made)) == steps
        assert isinstance(made[-1], SetPeer) and made[-1].peer.endpoint == C == contacts.aimed("ist0", peer).endpoint
        contacts.forget("ist0")
        assert contacts.aimed("ist0", peer).endpoint == A


def test_contacts_of_peers_that_are_gone_are_forgotten() -> None:
    contacts = Contacts()
    device = Device(name="ist0", private_key=b"", port=1, peers=(KNOWN,))
    for count in (1, 2, 3):
        contacts.look(device, Actual(device, {KNOWN.key: Counters(1, count)}), Now(count * 9, 0))
    assert contacts.heard() == {("ist0", KNOWN.key): A}
    empty = structs.replace(device, peers=())
    contacts.look(empty, Actual(empty, {}), Now(30, 0))
    assert contacts.heard() == {}


LOOP = "127.0.0.1:4000"


def relayed(counts: Sequence[tuple[float, float, str, int]], relay: str, peer: Peer = KNOWN) -> list[tuple[str, str]]:
    """What each look sets: seconds, the clock, what the device holds, bytes received."""
    contacts, device = Contacts(), Device(name="ist0", private_key=b"", port=1, peers=(peer,))
    done = []
    for seconds, wall, endpoint, rx in counts:
        held = structs.replace(device, peers=(structs.replace(peer, endpoint=endpoint),))
        actual = Actual(held, {peer.key: Counters(1, rx)})
        steps = contacts.look(device, actual, Now(seconds, wall), {("ist0", peer.key): relay} if relay else {})
        lost = "lost" if contacts.lost(seconds) else "relayed" if contacts.relayed(seconds) else ""
        done.append((lost, "".join(step.peer.endpoint for step in steps if isinstance(step, SetPeer))))
    return done


def test_a_third_member_is_tried_last_and_only_when_all_else_has_failed_for_a_minute() -> None:
    found = relayed([(now, 0, A, 100) for now in range(0, 120, 3)], LOOP)
    assert all(not (lost or LOOP in said) for lost, said in found[:20])
    after = [said for lost, said in found[20:] if said]
    assert found[20][0] == "lost" and LOOP in after and set(after) == {A, B, C, D, LOOP}


def test_without_a_third_member_nothing_but_the_known_is_tried() -> None:
    found = relayed([(now, 0, A, 100) for now in range(0, 240, 3)], "")
    assert {said for _, said in found} == {"", A, B, C, D}


def test_the_straight_way_of_a_link_through_a_third_member_is_tried_at_moments_of_the_clock() -> None:
    """Whenever their links began, one end does so and the other 10 s later, within what a mapping lives."""
    begun = [(0, 1_000, LOOP, 1), (3, 1_003, LOOP, 2), (6, 1_006, LOOP, 3)]
    found = relayed([*begun, *((n, 1_000 + n, LOOP, n) for n in range(9, 900, 3))], LOOP)
    assert found[1] == ("relayed", "")
    tried = [(1_000 + 3 * index, said) for index, (_, said) in enumerate(found) if said]
    assert [at // 300 for at, _ in tried] == [4, 5, 6] and all(10 <= at % 300 < 13 for at, _ in tried)
    assert {said for _, said in tried} <= {A, B, C, D}
    other = structs.replace(KNOWN, starts=True)
    found = relayed([*begun, *((n, 1_000 + n, LOOP, n) for n in range(9, 900, 3))], LOOP, other)
    assert all((1_000 + 3 * index) % 300 < 3 for index, (_, said) in enumerate(found) if said)


def test_another_endpoint_is_tried_at_once() -> None:
    contact, _ = straightened(Contact(rx=1, since=0, lost=0, heard=0, at=LOOP), PEER, Now(0, 1_000))
    assert straightened(contact, PEER, Now(1, 1_001)) == (contact, "")
    after, where = straightened(contact, structs.replace(PEER, sighted=(C,)), Now(2, 1_002))
    assert where == C and straightened(after, structs.replace(PEER, sighted=(C,)), Now(3, 1_003))[1] == ""


def test_when_nothing_leads_back_from_the_straight_way_the_third_member_is_taken_again_after_a_turn() -> None:
    """As when the clocks of both ends differ so that they try at the same moment."""
    begun = [(now, 1_200 + now, LOOP, int(now) + 1) for now in (0, 3, 6, 9)]
    found = relayed([*begun, *((n, 1_200 + n, A, 10) for n in (12, 15, 18))], LOOP)
    assert [said for _, said in found] == ["", "", "", "", A, "", LOOP]


def test_what_stands_on_loopback_is_told_to_nobody_and_is_no_place_to_look() -> None:
    found = follow(None, [(0, A, SHAKEN), *((n, LOOP, structs.replace(SHAKEN, rx=100 + n)) for n in range(3, 60, 3))])
    assert found.at == LOOP and found.told == "" and LOOP not in turns(KNOWN, LOOP)


@given(st.lists(st.tuples(st.floats(0.1, 8), st.booleans(), st.sampled_from([A, B, "203.0.113.9:1"])), max_size=60))
def test_a_link_that_works_is_never_touched(looks: list[tuple[float, bool, str]]) -> None:
    """Whatever else is known of the peer, wherever it roams: while it speaks at least every 25 s nothing is set."""
    contacts, device = Contacts(), Device(name="ist0", private_key=b"", port=1, peers=(KNOWN,))
    now, spoke, rx = 0.0, 0.0, 1
    for after, speaks, endpoint in [(0.0, True, A), *looks]:
        now += after
        if speaks or now - spoke > SILENT - 9:
            spoke, rx = now, rx + 1
        held = structs.replace(device, peers=(structs.replace(KNOWN, endpoint=endpoint),))
        relays = {("ist0", KNOWN.key): LOOP}
        assert contacts.look(device, Actual(held, {KNOWN.key: Counters(1, rx)}), Now(now, 1e9 + now), relays) == []
        assert not contacts.lost(now) and not contacts.relayed(now)


MAPPING = 30.0
"""Seconds for which Linux keeps an unanswered UDP mapping (nf_conntrack_udp_timeout)."""
PASS = 3.0


class End(Struct):
    """One end in the model: behind a NAT that keeps ports and lets in only what answers. It sends an initiation every
    5 to 5.3 s to where its turn looks, as WireGuard does.
    """

    public: str
    peer: Peer
    sends: float
    passes: float
    contact: Contact | None = None
    rx: int = 0
    opened: dict[str, float] = {}

    def endpoint(self) -> str:
        return aim(self.contact, self.peer) if self.contact else self.peer.endpoint


def meet(one: End, two: End, seed: int, most: float = 200.0) -> float:
    """Seconds until an initiation gets through one NAT and its answer back."""
    chance = Random(seed)
    ends = {one.public: one, two.public: two}
    while True:
        now = min(min(end.sends, end.passes) for end in ends.values())
        if now > most:
            return now
        end = min(ends.values(), key=lambda e: min(e.sends, e.passes))
        if end.passes <= end.sends:
            end.contact = turned(look(end.contact, end.endpoint(), Counters(rx=end.rx), now), end.peer, now)
            end.passes += PASS
            continue
        end.sends += 5 + chance.random() / 3
        where = end.endpoint()
        end.opened[where] = now
        other = ends.get(where)
        if other is not None and now - other.opened.get(end.public, -1e9) <= MAPPING:
            return now


def end_of(public: str, other: str, wrong: Sequence[str], lies: Sequence[str], at: float, place: int) -> End:
    """`wrong` stand in the other's record, `lies` among the sightings; the true one has this place there."""
    sighted = (*lies[:place], other, *lies[place:])
    peer = Peer(key=b"", endpoint=wrong[0], allowed=(), alternates=tuple(wrong[1:]), sighted=sighted)
    return End(public=public, peer=peer, sends=at, passes=at + 0.5, opened={})


@given(phase=st.floats(0, 60), seed=st.integers(0, 99))
@settings(max_examples=200, deadline=None)
def test_two_ends_behind_nat_meet_within_18_seconds_of_hearing_where_the_other_is(phase: float, seed: int) -> None:
    one = end_of(A, B, ["10.0.0.2:51820"], [], 0.0, 0)
    two = end_of(B, A, ["10.0.0.1:51820"], [], phase, 0)
    assert meet(one, two, seed) <= phase + 18


@given(
    phase=st.floats(0, 60),
    seed=st.integers(0, 99),
    wrong=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    lies=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    data=st.data(),
)
@settings(max_examples=300, deadline=None)
def test_liars_and_many_endpoints_delay_it_to_a_bound(
    phase: float, seed: int, wrong: tuple[int, int], lies: tuple[int, int], data: st.DataObject
) -> None:
    def some(public: str, other: str, n: int, at: float) -> End:
        bad = [f"10.0.0.{i}:1" for i in range(wrong[n])]
        told = [f"203.0.113.{i}:1" for i in range(lies[n])]
        return end_of(public, other, bad, told, at, data.draw(st.integers(0, lies[n])))

    assert meet(some(A, B, 0, 0.0), some(B, A, 1, phase), seed) <= phase + 80

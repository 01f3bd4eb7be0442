"""What is carried between others, delivered or dropped: frames, bounds, and sockets on loopback."""

import asyncio
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gateways.relay.carrier import BYTES, PACKETS, Allowance, Carrier, Deliver, Far, Pass, after
from gateways.relay.frame import FROM, HEADER, TO, Frame, Kind, is_message, packed, unpacked
from gateways.relay.sessions import IDLE, Sessions
from gateways.state import RELAY_PORT, NodeState, Tunnel, WgPeer
from tests.unit.gateways.test_intent import GATEWAY

DATAGRAM = b"\x04\0\0\0" + bytes(28)


def far(number: int, gateway: int = 1, relay: bool = False) -> Far:
    return Far(
        member=f"m{number}",
        number=number,
        gateway=gateway,
        overlay=f"fd49:7374:0:{number}::{gateway}",
        key=bytes([number]) * 32,
        device="ist0",
        port=51820,
        relay=relay,
    )


US, EU, AP = far(2), far(3), far(4, relay=True)


def carrier(carries: bool = True) -> Carrier:
    made = Carrier(carries)
    made.know((US, EU, AP, far(2, 2)))
    return made


def frame(to: Far, kind: Kind = TO, datagram: bytes = DATAGRAM) -> bytes:
    return packed(Frame(kind, to.number, to.gateway, datagram))


def test_a_frame_is_passed_on_with_the_name_of_its_sender_in_place_of_the_receiver() -> None:
    found = carrier().judge(frame(EU), US.overlay, 0)
    assert found == Pass(EU, packed(Frame(FROM, US.number, US.gateway, DATAGRAM)))


def test_what_a_carrier_brings_is_delivered_as_the_far_gateways() -> None:
    assert carrier(False).judge(frame(EU, FROM), AP.overlay, 0) == Deliver(EU, AP, DATAGRAM)


DROPPED: dict[str, tuple[bytes, str, bool, str]] = {
    "nobody we know": (frame(EU), "fd49:7374:0:9::1", True, "stranger"),
    "a node of a member": (frame(EU), "fd49:7374:0:2:0:1::7", True, "stranger"),
    "empty": (b"", US.overlay, True, "unreadable"),
    "a later version": (b"\x02" + frame(EU)[1:], US.overlay, True, "unreadable"),
    "a third kind": (b"\x01\x03" + frame(EU)[2:], US.overlay, True, "unreadable"),
    "not of WireGuard": (frame(EU, TO, b"GET / HTTP/1.1\r\n" * 4), US.overlay, True, "unreadable"),
    "a message cut short": (frame(EU, TO, DATAGRAM[:31]), US.overlay, True, "unreadable"),
    "to a member that is none": (frame(far(77)), US.overlay, True, "unknown"),
    "to ourselves": (frame(far(1)), US.overlay, True, "unknown"),
    "to the sender": (frame(US), US.overlay, True, "back"),
    "to another gateway of the sender's member": (frame(far(2, 2)), US.overlay, True, "back"),
    "to be carried by one that does not": (frame(EU), US.overlay, False, "not carried"),
    "brought by one that does not carry": (frame(EU, FROM), US.overlay, True, "no carrier"),
    "of the carrier itself": (frame(AP, FROM), AP.overlay, True, "back"),
}


@pytest.mark.parametrize("case", DROPPED)
def test_what_is_dropped_and_why(case: str) -> None:
    data, source, carries, why = DROPPED[case]
    assert carrier(carries).judge(data, source, 0) == why


def test_a_member_sends_so_many_packets_and_bytes_a_second_and_takes_nothing_of_others() -> None:
    many = carrier()
    found = [many.judge(frame(EU), (US if n % 2 else far(2, 2)).overlay, 0) for n in range(PACKETS + 5)]
    assert found.count("rate") == 5 and found[-1] == "rate"
    assert isinstance(many.judge(frame(US), EU.overlay, 0), Pass)
    assert isinstance(many.judge(frame(EU), US.overlay, 0.5), Pass)
    large = carrier()
    big = frame(EU, TO, DATAGRAM + bytes(60_000))
    found = [large.judge(big, US.overlay, 0) for _ in range(50)]
    assert found.count("rate") == 50 - BYTES // len(big)


def test_what_cannot_be_read_counts_as_well() -> None:
    many = carrier()
    assert [many.judge(b"", US.overlay, 0) for _ in range(PACKETS + 1)][-1] == "rate"


def test_an_allowance_holds_no_more_than_a_second() -> None:
    one = Allowance(10, 0)
    assert [one.take(1, 100) for _ in range(11)] == [True] * 10 + [False]
    assert one.take(5, 100.5) and not one.take(1, 100.5)


@given(st.binary(max_size=80))
def test_bytes_are_a_frame_or_none_and_never_an_error(data: bytes) -> None:
    found = unpacked(data)
    if found is not None:
        assert packed(found) == data and is_message(found.datagram)


@given(
    st.sampled_from([TO, FROM]),
    st.integers(0, 2**32 - 1),
    st.integers(0, 65_535),
    st.sampled_from([1, 2, 3, 4]),
    st.binary(min_size=28, max_size=64),
)
def test_a_frame_is_read_as_it_was_written(kind: Kind, number: int, gateway: int, message: int, rest: bytes) -> None:
    made = Frame(kind, number, gateway, bytes([message, 0, 0, 0]) + rest)
    assert unpacked(packed(made)) == made and len(packed(made)) == HEADER.size + len(made.datagram)


def test_one_that_carries_is_asked_after_the_other() -> None:
    one, two, three = far(4), far(5), far(6)
    assert after(None, []) is None and after(one, []) is None
    assert after(None, [two, one]) == one and after(one, [three, two, one]) == two
    assert after(three, [three, two, one]) == one and after(two, [one, three]) == three


def state_of(*found: Far) -> NodeState:
    """A gateway with these peers that has no address in the overlay yet: it listens for no frames."""
    peers = tuple(
        WgPeer(
            member=one.member,
            gateway=one.gateway,
            key=one.key,
            endpoint="",
            allowed=(),
            overlay=one.overlay,
            number=one.number,
            relay=one.relay,
        )
        for one in found
    )
    tunnel = Tunnel(device="ist0", private_key=b"", listen_port=51820, address="", peers=peers)
    return NodeState(situation=GATEWAY, tunnels=(tunnel,))


def test_a_socket_stands_for_a_lost_peer_while_somebody_carries_and_it_is_asked_for_or_spoken_with() -> None:
    async def story() -> None:
        up, now = {AP.overlay}, [0.0]
        sessions = Sessions(False, up.__contains__, lambda: now[0])
        try:
            sessions.follow(state_of(US, EU, AP))
            up.clear()
            sessions.want([US.place], ())
            assert sessions.endpoints() == {}
            up.add(AP.overlay)
            sessions.want([US.place], [AP.place])
            assert sessions.endpoints() == {}
            sessions.want([US.place, AP.place, ("ist9", b"nobody")], ())
            (where,) = sessions.endpoints().values()
            assert list(sessions.endpoints()) == [US.place] and where.startswith("127.0.0.1:")
            now[0] = IDLE
            sessions.want([US.place], ())
            now[0] = 2 * IDLE
            sessions.want([], ())
            assert sessions.endpoints() == {US.place: where}
            now[0] = 2 * IDLE + 1
            sessions.want([], ())
            assert sessions.endpoints() == {} and sessions.through() == {}
            sessions.want([US.place, EU.place], ())
            sessions.follow(state_of(EU, AP))
            assert list(sessions.endpoints()) == [EU.place]
        finally:
            sessions.close()
        assert sessions.endpoints() == {}

    asyncio.run(story())


def test_a_port_that_is_anothers_is_a_problem_until_it_is_free() -> None:
    state = structs.replace(state_of(US, AP), overlay="::1")
    said = f"E122 UDP port {RELAY_PORT} on ::1: Address already in use; nothing that a third member carries gets here"

    async def story() -> None:
        sessions = Sessions(False, lambda overlay: True)
        found: list[tuple[str, ...]] = []
        try:
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as other:
                other.bind(("::1", RELAY_PORT))
                sessions.follow(state)
                found.append(sessions.problems)
            sessions.follow(state)
            found.append(sessions.problems)
        finally:
            sessions.close()
        assert found == [(said,), ()]

    asyncio.run(story())

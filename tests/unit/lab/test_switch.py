import pytest

from federation.lab.switch import QUEUE_SECONDS, Switch

EAST, WEST, SOUTH = b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x02", b"\x02\0\0\0\0\x03"
EVERYONE = b"\xff" * 6
NAMES = ("east", "west", "south")


def frame(target: bytes, source: bytes, text: bytes = b"", size: int = 0) -> bytes:
    return target + source + b"\x08\0" + text.ljust(size, b".")


def learned(seed: int = 0) -> Switch:
    switch = Switch(NAMES, seed)
    for port, mac in enumerate((EAST, WEST, SOUTH)):
        switch.accept(0, port, frame(EVERYONE, mac))
    switch.due(0)
    return switch


def test_broadcast_and_unknown_targets_go_to_all_others() -> None:
    switch = Switch(NAMES)
    for target in (EVERYONE, WEST):
        switch.accept(0, 0, frame(target, EAST))
        assert [port for port, _ in switch.due(0)] == [1, 2]


def test_a_learned_target_gets_its_frames_alone_and_nothing_returns_to_its_port() -> None:
    switch = learned()
    switch.accept(1, 0, frame(WEST, EAST))
    switch.accept(1, 0, frame(EAST, EAST))
    assert [port for port, _ in switch.due(1)] == [1]


def test_a_delay_holds_one_direction_only() -> None:
    switch = learned()
    switch.set("east", "west", {"delay_ms": 45})
    switch.accept(10, 0, frame(WEST, EAST))
    switch.accept(10, 1, frame(EAST, WEST))
    assert [port for port, _ in switch.due(10)] == [0]
    assert switch.next_time() == pytest.approx(10.045)
    assert switch.due(10.0449) == []
    assert [port for port, _ in switch.due(10.0451)] == [1]
    assert switch.next_time() is None


def test_frames_never_overtake_without_jitter_even_when_the_delay_shrinks() -> None:
    switch = learned()
    switch.set("east", "west", {"delay_ms": 100})
    switch.accept(0, 0, frame(WEST, EAST, b"first"))
    switch.set("east", "west", {"delay_ms": 0})
    switch.accept(0.01, 0, frame(WEST, EAST, b"second"))
    assert switch.due(0.09) == []
    assert [text[14:] for _, text in switch.due(0.1)] == [b"first", b"second"]


def test_jitter_stays_in_its_range_and_lets_frames_overtake() -> None:
    switch = learned(seed=3)
    switch.set("east", "west", {"delay_ms": 10, "jitter_ms": 20})
    for number in range(200):
        switch.accept(0, 0, frame(WEST, EAST, b"%03d" % number))
    assert switch.due(0.00999) == []
    texts = [text[14:] for _, text in switch.due(0.03)]
    assert len(texts) == 200 and texts != sorted(texts)


def test_loss_is_near_its_percentage_and_the_same_for_the_same_seed() -> None:
    def passed(seed: int) -> list[bytes]:
        switch = learned(seed)
        switch.set("east", "west", {"loss_percent": 30})
        for number in range(1000):
            switch.accept(0, 0, frame(WEST, EAST, b"%03d" % number))
        return [text for _, text in switch.due(0)]

    assert 650 < len(passed(1)) < 750
    assert passed(1) == passed(1) != passed(2)


def test_a_block_stops_one_direction_and_is_counted() -> None:
    switch = learned()
    switch.set("east", "west", {"block": True})
    switch.accept(0, 0, frame(WEST, EAST))
    switch.accept(0, 1, frame(EAST, WEST))
    assert [port for port, _ in switch.due(0)] == [0]
    rows = {(row["from"], row["to"]): row for row in switch.get()}
    assert rows["east", "west"]["dropped"] == 1 and rows["west", "east"]["dropped"] == 0
    switch.set("east", "west", {"block": False})
    switch.accept(0, 0, frame(WEST, EAST))
    assert len(switch.due(0)) == 1


def test_larger_packets_than_the_mtu_vanish() -> None:
    switch = learned()
    switch.set("east", "west", {"mtu": 1300})
    for size in (1300, 1301):
        switch.accept(0, 0, frame(WEST, EAST, size=size))
    assert [len(text) - 14 for _, text in switch.due(0)] == [1300]


def test_a_rate_spaces_frames_and_drops_what_would_wait_too_long() -> None:
    switch = learned()
    switch.set("east", "west", {"rate_mbit": 1})
    for _ in range(1000):
        switch.accept(0, 0, frame(WEST, EAST, size=1236))  # 10 ms each at 1 Mbit/s
    assert len(switch.due(0.0101)) == 1
    assert len(switch.due(0.1001)) == 9
    assert len(switch.due(9)) == pytest.approx(QUEUE_SECONDS * 100 - 10, abs=2)


@pytest.mark.parametrize(
    ("source", "target", "values", "text"),
    [
        ("mars", "west", {}, 'no port "mars": there are east, west, south'),
        ("east", "east", {}, '"east" to itself does not pass the WAN'),
        ("east", "west", {"loss_percent": 101}, "loss_percent must be 0 to 100, not 101"),
        ("east", "west", {"delay_ms": -1}, "delay_ms must be a number from 0 to 1000000, not -1"),
        ("east", "west", {"delay_ms": float("nan")}, "delay_ms must be a number from 0 to 1000000, not nan"),
        ("east", "west", {"delay_ms": "5"}, "delay_ms must be a number from 0 to 1000000, not '5'"),
        ("east", "west", {"block": 1}, "block must be true or false, not 1"),
        ("east", "west", {"cut": "no"}, "cut must be true or false, not 'no'"),
        (
            "east",
            "west",
            {"dealy_ms": 5},
            'unknown setting "dealy_ms": there are delay_ms, jitter_ms, loss_percent, rate_mbit, mtu, block, cut',
        ),
    ],
)
def test_bad_settings_are_refused_by_name(source: str, target: str, values: dict[str, object], text: str) -> None:
    switch = Switch(NAMES)
    with pytest.raises(ValueError) as caught:
        switch.set(source, target, values)
    assert str(caught.value) == text

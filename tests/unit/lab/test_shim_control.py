import json

import pytest

from federation.lab.shim import answer
from federation.lab.switch import Switch


def ask(switch: Switch, **request: object) -> dict[str, object]:
    return answer(switch, json.dumps(request).encode())


def test_set_is_seen_by_get() -> None:
    switch = Switch(("a", "b"))
    assert ask(switch, op="set", **{"from": "a", "to": "b", "delay_ms": 45, "block": True}) == {"ok": True}
    pairs = ask(switch, op="get")["pairs"]
    assert isinstance(pairs, list)
    assert [(row["from"], row["delay_ms"], row["block"]) for row in pairs] == [
        ("a", 45, True),
        ("b", 0.0, False),
    ]


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]", b'"x"', b'{"op": "sit"}', b'{"op": "set"}', b'{"op": "set", "from": "a"}']
)
def test_nonsense_is_answered_not_fatal(line: bytes) -> None:
    said = answer(Switch(("a", "b")), line)
    assert said["ok"] is False and said["error"]

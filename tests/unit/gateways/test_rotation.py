"""The steps of `isthmus gateway rotate-key`, in virtual time."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec import structs

from federation.link.enrolled import load_enrolled
from federation.link.possession import wireguard_key
from federation.model.errors import IsthmusError, Refused
from gateways import folder, keys
from gateways.gateway_cli import gateway
from gateways.keys import Key, Keys
from gateways.reach import SILENT
from gateways.rotation import Hands, Rotation, came
from gateways.tunnel_view import PeerView, TunnelView
from tests.worlds.agent_folder import keep_handout, make_folder
from tests.worlds.two_members import keyed, real, site

US = real("us-east")
ME = "us-east-gateway"
QUIET, PROBES = 20, 80
"""Bytes a second on an idle link: of keepalives, and of one probe a second."""


class Bench:
    """A folder with its agent, whose devices say what a test wants; a clock that goes when it is slept."""

    def __init__(self, path: Path) -> None:
        self.state = make_folder(path / "g", US, "gateway", keyed(site(US)), [])
        self.time = 0.0
        self.lines: list[str] = []
        self.behind: set[str] = set()
        self.unknown: set[str] = set()
        self.sends: dict[str, int] = {}
        self.peers = ("eu-central", "us-west")
        self.after: Callable[[], None] = lambda: None
        self.revision = 1
        self.give(1)

    def give(self, rails: int) -> None:
        """The controller's word: so many rails, ours the first, or of two the spare's as well."""
        names = [ME, *(f"g{number}" for number in range(2, rails + 1))] if rails != 2 else [ME, f"{ME}/1", f"{ME}/0"]
        self.revision += 1
        given = {name: place for place, name in enumerate(names, start=1)}
        keep_handout(self.state, US, keyed(structs.replace(site(US), rails=given)), self.revision)

    def run(self, seconds: float = 20) -> bytes:
        hands = Hands(self.look, self.lines.append, lambda: self.time, self.sleep)
        return Rotation(self.state, load_enrolled(self.state), hands).run(seconds)

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        self.after()

    def look(self) -> list[TunnelView]:
        held = keys.load(self.state)
        under = [(held.first, not held.leaving)] + ([(held.spare, held.leaving)] if held.spare else [])
        return [self._view(key, old) for key, old in under]

    def _view(self, key: Key, old: bool) -> TunnelView:
        public = b64encode(wireguard_key(key.seed, "us-east", ME).public).decode()
        peers = tuple(self._peer(name, old) for name in self.peers)
        return TunnelView(
            member="us-east", node=ME, device="d", up=True, mtu=1420, addresses=(), port=51820 + 8 * key.slot, key=public, peers=peers
        )  # fmt: skip

    def _peer(self, member: str, old: bool) -> PeerView:
        rx = int(self.time * self.sends.get(member, QUIET)) if old else 0
        up = old or member not in self.behind
        return PeerView(
            member=member, gateway=1, state="not ours" if member in self.unknown else "up" if up else "silent",
            key=member, endpoint="", recorded="", overlay="", allowed=(), keepalive=10, mtu=0,
            handshake_age=1 if up else 200, rx=rx, tx=0,
        )  # fmt: skip


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    with folder.lock(made.state):
        yield made


def test_everybody_has_both_links_before_anybody_sends_under_the_new_one(bench: Bench) -> None:
    before, seen = keys.load(bench.state), list[Keys]()
    bench.behind = {"us-west"}

    def after() -> None:
        held = keys.load(bench.state)
        seen.append(held)
        if bench.time == 3:
            bench.give(2)
        if bench.time == 8:
            assert not held.leaving
            bench.behind.clear()

    bench.after = after
    public = bench.run()
    assert bench.lines == [
        "1 of 4: the new key has rail 2; links under it come up",
        "2 of 4: 2 links stand under both keys",
        "3 of 4: everybody is told to send under the new key",
        "4 of 4: nobody sends under the old key, and it is gone",
    ]
    now = keys.load(bench.state)
    assert now == Keys(Key(now.first.seed, 1)) and now.first != before.first
    assert wireguard_key(now.first.seed, "us-east", ME).public == public
    assert [one.first == before.first for one in seen] == [True] * 8 + [False]


def test_who_still_probes_under_the_old_key_is_waited_for_and_it_goes_on_later(bench: Bench) -> None:
    bench.give(2)
    bench.sends = {"us-west": PROBES}
    with pytest.raises(Refused) as caught:
        bench.run()
    assert str(caught.value) == (
        f"E127 gateway {ME}: these still send under the old key: us-west gateway 1; both stay in use, run it again"
    )
    held = keys.load(bench.state)
    assert held.leaving and held.first.slot == 1
    bench.sends.clear()
    bench.lines.clear()
    bench.run()
    assert bench.lines == ["a rotation was begun: it goes on", "4 of 4: nobody sends under the old key, and it is gone"]
    assert keys.load(bench.state) == held.ended()


def test_a_link_under_the_old_key_on_which_nothing_comes_is_not_waited_for(bench: Bench) -> None:
    bench.give(2)
    bench.behind = {"us-west"}
    bench.sends = {"us-west": 0}
    bench.run(60)
    assert bench.lines[1] == "2 of 4: 1 links stand under both keys"
    assert SILENT <= bench.time < 60


def test_a_link_of_which_the_handout_on_disk_says_nothing_is_waited_for(bench: Bench) -> None:
    bench.give(2)
    bench.unknown = bench.behind = {"us-west"}
    with pytest.raises(Refused) as caught:
        bench.run(60)
    assert "no link under the new key with us-west gateway 1" in caught.value.text


@pytest.mark.parametrize(("before", "now", "found"), [(100, 900, 800), (900, 900, 0), (5_000, 700, 700)])
def test_what_came_between_two_looks_is_known_of_a_link_that_was_set_anew_too(
    before: int, now: int, found: int
) -> None:
    assert came(before, now) == found


def test_a_link_that_does_not_come_up_leaves_everything_as_it_was(bench: Bench) -> None:
    before = keys.load(bench.state)
    bench.give(2)
    bench.behind = {"us-west"}
    with pytest.raises(Refused) as caught:
        bench.run(60)
    assert str(caught.value) == (
        f"E127 gateway {ME}: no link under the new key with us-west gateway 1 within 60 s; the old key stays. Open UDP "
        "51828 here, and there as for a rail"
    )
    assert keys.load(bench.state) == before


def test_without_an_answer_of_the_controller_the_old_key_stays(bench: Bench) -> None:
    before = keys.load(bench.state)
    with pytest.raises(Refused) as caught:
        bench.run()
    assert str(caught.value) == (
        f"E127 gateway {ME}: its controller gave the new key no rail within 30 s; the old key stays"
    )
    assert keys.load(bench.state) == before and bench.time == 30


def test_while_all_rails_are_taken_nothing_is_begun(bench: Bench) -> None:
    before = keys.load(bench.state)
    bench.give(8)
    with pytest.raises(Refused) as caught:
        bench.run()
    assert str(caught.value) == (
        f"E127 gateway {ME}: all 8 rails of this member are taken, and two keys need two: drain it first"
    )
    assert keys.load(bench.state) == before and bench.time == 0


@pytest.mark.parametrize(
    ("role", "held", "text"),
    [
        ("node", "", "E122 {state}: is enrolled as node; give a gateway's folder"),
        ("gateway", "", "E127 gateway us-east-gateway: no agent runs with this folder: start it, or give --force"),
        ("gateway", "rotation", "E122 {state}: another rotation already runs with this folder"),
    ],
)
def test_what_cannot_be_rotated(tmp_path: Path, role: str, held: str, text: str) -> None:
    state = make_folder(tmp_path / "f", US, "node" if role == "node" else "gateway", keyed(site(US)), [])
    with folder.lock(state, held or "nothing"):
        done = CliRunner().invoke(gateway, ("rotate-key", "--state", str(state)))
    assert isinstance(done.exception, IsthmusError) and str(done.exception) == text.format(state=state)


@pytest.mark.parametrize("how", ["drained", "forced"])
def test_one_that_is_drained_or_forced_gets_its_key_at_once(tmp_path: Path, how: str) -> None:
    state = make_folder(tmp_path / "g", US, "gateway", keyed(site(US)), [])
    before = keys.load(state)
    keys.save(state, before.begun(keys.new_seed()))
    if how == "drained":
        folder.drained_file(state).write_text("now\n")
    done = CliRunner().invoke(gateway, ("rotate-key", "--state", str(state), *(["--force"] if how == "forced" else [])))
    now = keys.load(state)
    public = wireguard_key(now.first.seed, "us-east", ME).public
    assert done.output == f"new public key {b64encode(public).decode()}\n"
    assert now != before and now.spare is None and now.first.slot == 0

"""`isthmus gateway rotate-key`: another WireGuard key, without a lost packet.

Links stand under both keys before anybody sends under the new one, and until nobody sends under the old one. How far it
is stands in the folder (`keys`), so it goes on where it was interrupted.
"""

import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from federation.link.enrolled import Enrolled
from federation.link.possession import wireguard_key
from federation.lkg import ring
from federation.model.errors import InputError, Refused
from federation.model.handout import Site
from federation.model.overlay import RAILS, SLOTS, rail_key
from federation.wire.handout import HANDOUT, HANDOUT_TOPIC
from gateways import folder, keys
from gateways.keys import Key, Keys
from gateways.reach import SILENT
from gateways.tunnel_view import TunnelView

ANSWER_SECONDS = 30.0
"""How long a controller may take to give a rail: three times what an agent takes to find it again."""

LOOK, WINDOW = 1.0, 5.0
"""Seconds between two looks at links, and over which is counted what still comes under the old key."""

STRAY = 300
"""Bytes of a window that are no traffic: a keepalive and both messages of a handshake. Five probes are more."""

Link = tuple[str, str]
"""The name of the other end, and its key."""


class Hands(Struct, frozen=True):
    """What a rotation acts with: `look` at the devices, `say` a line, and the clock (monotonic seconds)."""

    look: Callable[[], Sequence[TunnelView]]
    say: Callable[[str], None]
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def until(self, seconds: float, wait: float = LOOK) -> Iterator[None]:
        """Again and again, `wait` apart, for so long."""
        end = self.now() + seconds
        while True:
            yield
            if self.now() + wait > end:
                return
            self.sleep(wait)


class Rotation:
    """That of the gateway in this folder. Every method that waits is Refused (E127) when it does so in vain."""

    def __init__(self, state: Path, enrolled: Enrolled, hands: Hands) -> None:
        self._state = state
        self._own = enrolled
        self._hands = hands

    def run(self, seconds: float) -> bytes:
        """Take all steps that are left; the new public key. `seconds` to wait for links, and then for quiet. Where it
        is refused the old key is in use as before, or both are.
        """
        held = self.begin()
        if not held.leaving:
            self.prepare(held, seconds)
            held = held.turned()
            keys.save(self._state, held)
            self._hands.say("3 of 4: everybody is told to send under the new key")
        self.await_quiet(self._public(held.spare), seconds)
        keys.save(self._state, held.ended())
        self._hands.say("4 of 4: nobody sends under the old key, and it is gone")
        return self._public(held.first)

    def begin(self) -> Keys:
        """The keys of the folder, two of them. Refused without an agent, and while all rails are taken."""
        if not _runs(self._state):
            raise self._refused("no agent runs with this folder: start it, or give --force")
        held = keys.load(self._state)
        if held.spare is not None:
            self._hands.say("a rotation was begun: it goes on")
            return held
        taken = _rails(self._state)
        if len(taken) >= RAILS and rail_key(self._own.node, SLOTS - 1 - held.first.slot) not in taken:
            raise self._refused(f"all {RAILS} rails of this member are taken, and two keys need two: drain it first")
        held = held.begun(keys.new_seed())
        keys.save(self._state, held)
        return held

    def prepare(self, held: Keys, seconds: float) -> None:
        """Wait until whoever has a link under the old key has one under the new. When that takes longer the new key is
        gone, under which nobody has sent.
        """
        try:
            rail = self._await_rail(rail_key(self._own.node, SLOTS - 1 - held.first.slot))
            self._hands.say(f"1 of 4: the new key has rail {rail}; links under it come up")
            count = self._await_links(self._public(held.first), self._public(held.spare), seconds)
            self._hands.say(f"2 of 4: {count} links stand under both keys")
        except Refused:
            keys.save(self._state, held.ended())
            raise

    def await_quiet(self, old: bytes, seconds: float) -> None:
        """Wait until nobody sends under this key. While somebody does both stay in use."""
        before, senders = received(self._hands.look(), old), ["not looked at yet"]
        self._hands.sleep(WINDOW)
        for _ in self._hands.until(seconds, WINDOW):
            now = received(self._hands.look(), old)
            senders = sorted({link[0] for link in now if came(before.get(link, 0), now[link]) > STRAY})
            if not senders:
                return
            before = now
        text = f"these still send under the old key: {', '.join(senders)}; both stay in use, run it again"
        raise self._refused(text)

    def _await_rail(self, wanted: str) -> int:
        for _ in self._hands.until(ANSWER_SECONDS):
            found = _rails(self._state).get(wanted)
            if found is not None:
                return found
        text = f"its controller gave the new key no rail within {ANSWER_SECONDS:g} s; the old key stays"
        raise self._refused(text)

    def _await_links(self, old: bytes, new: bytes, seconds: float) -> int:
        """How many links stand under both keys. One whose session is young enough while its other end is gone (a node
        that needs no tunnel any more, a machine that was switched off) is not waited for.
        """
        views = self._hands.look()
        missing: set[Link] = set()
        first, begun = received(views, old), self._hands.now()
        for _ in self._hands.until(seconds):
            views = self._hands.look()
            missing = standing(views, old) - standing(views, new)
            if self._hands.now() - begun >= SILENT:
                missing = {link for link in missing if received(views, old)[link] != first.get(link)}
            if not missing:
                return len(standing(views, new))
        ports = sorted(view.port for view in _under(views, new) if any((p.name, p.key) in missing for p in view.peers))
        names = ", ".join(sorted({name for name, _ in missing}))
        text = f"no link under the new key with {names} within {seconds:g} s; the old key stays"
        raise self._refused(f"{text}. Open UDP {', '.join(map(str, ports)) or 'ports'} here, and there as for a rail")

    def _public(self, key: Key | None) -> bytes:
        return b"" if key is None else _public(key, self._own)

    def _refused(self, text: str) -> Refused:
        return Refused(f"gateway {self._own.node}: {text}", "E127")


def exchange(state: Path, enrolled: Enrolled) -> bytes:
    """Another key in the place of the one in use, at once; the public key. Until its peers and nodes have heard of it
    they drop what this gateway sends.
    """
    held = keys.load(state).exchanged(keys.new_seed())
    keys.save(state, held)
    return _public(held.first, enrolled)


def standing(views: Sequence[TunnelView], key: bytes) -> set[Link]:
    """Who has a session under this key of ours, by what the devices hold: the handout on disk may be a moment old."""
    return {(peer.name, peer.key) for view in _under(views, key) for peer in view.peers if peer.has_session}


def received(views: Sequence[TunnelView], key: bytes) -> Mapping[Link, int]:
    """Bytes that came under this key of ours, by who sent them."""
    return {(peer.name, peer.key): peer.rx for view in _under(views, key) for peer in view.peers}


def came(before: int, now: int) -> int:
    """Bytes between two counts; a link that was set anew counts from nothing."""
    return now - before if now >= before else now


def _public(key: Key, enrolled: Enrolled) -> bytes:
    return wireguard_key(key.seed, enrolled.member, enrolled.node).public


def _under(views: Sequence[TunnelView], key: bytes) -> list[TunnelView]:
    text = b64encode(key).decode()
    return [view for view in views if view.key == text]


def _runs(state: Path) -> bool:
    try:
        folder.lock(state).close()
    except InputError:
        return True
    return False


def _rails(state: Path) -> Mapping[str, int]:
    kept = ring.newest(state / "lkg", HANDOUT_TOPIC)
    site = None if kept is None else HANDOUT.decode_tree(kept.tree).get("site")
    return site.rails if isinstance(site, Site) else {}

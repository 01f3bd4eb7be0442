"""Where a peer is looked for while nothing is heard of it. Pure: time comes from the caller.

A peer that is heard is left alone: it may have roamed, and where it was last heard is the better knowledge. One that is
not is tried at every endpoint that is known of it, a turn each, for as long as it takes.

That is hole punching too (RFC 5128 section 3.3). Each end of a link between two NATs sends to where others hear the
other, which opens its own NAT for what comes from there. Such a mapping lives for 30 s or more, and every second turn
is one of these endpoints, so the two need not agree on a moment.

The last resort is a third member that carries (`relay`): for WireGuard the peer then stands on loopback. Of such a link
the straight way is tried now and then, by letting WireGuard send there: the next packet that comes through the third
member leads it back, so that at most what is sent until then is lost. By the clock one end does so and then the other,
within what a mapping lives, but never both at once: nothing would lead them back. Each does so as well when it learns
of another endpoint.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from msgspec import Struct, structs

from gateways.render.wireguard import Actual, Counters, Device, Peer, SetPeer, Step, anew

TURN = 6.0
"""Seconds of a turn. WireGuard sends an initiation every 5 to 5.3 s (whitepaper 6.1, Rekey-Timeout): each has one."""

SILENT = 25.0
"""Seconds without a byte after which a peer is looked for: both ends send every 10 s at least (`KEEPALIVE`)."""

STEADY = 5.0
"""Seconds for which a peer must be heard at one place before others are told of it."""

REJECTED = 180
"""Seconds after which a session without a new handshake is over (whitepaper 6.1, Reject-After-Time): what was told of a
peer is taken back.
"""


class Now(Struct, frozen=True):
    """The moment: monotonic seconds for intervals, Unix seconds for what both ends do at once."""

    seconds: float
    wall: float


RELAY_AFTER = 60.0
"""Seconds without a byte after which a peer is looked for through a third member as well."""

STRAIGHT = 300
"""Seconds of the clock between two tries of the straight way of a link that goes through a third member."""

APART = 10.0
"""Seconds by which the end that does not start follows the one that does: less than a mapping lives."""

LOOPBACK = "127."


class Contact(Struct, frozen=True, kw_only=True):
    """What is known of one peer. Moments are monotonic seconds.

    `heard` is when something last came (None: nothing ever did), `at` from where, and `there` since when from there;
    `told` is that once it is steady. `turn` counts those begun, `since` is when the last one was. `lost` is since when
    nothing came. `straight` is what was known when the straight way was tried last, and in which span of the clock;
    `tried` is when, while nothing came since.
    """

    rx: int
    since: float
    lost: float
    heard: float | None = None
    at: str = ""
    there: float = 0.0
    told: str = ""
    turn: int = 0
    straight: tuple[int, tuple[str, ...]] = (0, ())
    tried: float | None = None


def look(before: Contact | None, endpoint: str, count: Counters, now: float) -> Contact:
    """The contact by what the device counted and holds now."""
    if before is None:
        heard = now if count.handshake else None
        return Contact(rx=count.rx, since=now, lost=now, heard=heard, at=endpoint if heard else "", there=now)
    if count.rx > before.rx:
        there = before.there if endpoint == before.at else now
        steady = now - there >= STEADY and not endpoint.startswith(LOOPBACK)
        told = endpoint if steady else before.told
        spoke = structs.replace(before, rx=count.rx, heard=now, lost=now, since=now)
        return structs.replace(spoke, at=endpoint, there=there, told=told)
    gone = before.heard is not None and now - before.heard >= REJECTED
    return structs.replace(before, rx=count.rx, told="" if gone else before.told)


def is_heard(contact: Contact, now: float) -> bool:
    """True while nothing is tried."""
    return contact.heard is not None and now - contact.heard < SILENT


def is_lost(contact: Contact, now: float) -> bool:
    """True when a peer is to be looked for through a third member."""
    return now - contact.lost >= RELAY_AFTER


def is_relayed(contact: Contact, now: float) -> bool:
    """True while a peer is heard through a third member."""
    return is_heard(contact, now) and contact.at.startswith(LOOPBACK)


def turns(peer: Peer, at: str = "", relay: str = "") -> tuple[str, ...]:
    """One round of what is tried: by turns the record's endpoints and those where others or we (`at`) heard it,
    at last a third member (`relay`).
    """
    said = tuple(dict.fromkeys(filter(None, (peer.endpoint, *peer.alternates))))
    places = dict.fromkeys((*peer.sighted, "" if at.startswith(LOOPBACK) else at))
    seen = tuple(one for one in places if one and one not in said)
    last = (relay,) if relay and said else ()
    if not (said and seen):
        return said + last
    count = max(len(said), len(seen))
    return tuple(one for i in range(count) for one in (said[i % len(said)], seen[i % len(seen)])) + last


def turned(contact: Contact, peer: Peer, now: float, relay: str = "") -> Contact:
    """The next turn when it is due; else the very object."""
    if is_heard(contact, now) or now - contact.since < TURN or len(turns(peer, contact.at, relay)) < 2:
        return contact
    return structs.replace(contact, turn=contact.turn + 1, since=now)


def aim(contact: Contact, peer: Peer, relay: str = "") -> str:
    """Where this turn looks for the peer; "" where nothing is known of it."""
    found = turns(peer, contact.at, relay)
    return found[contact.turn % len(found)] if found else ""


def straightened(contact: Contact, peer: Peer, now: Now) -> tuple[Contact, str]:
    """Of a peer that is heard through a third member: where to send from now on, "" where that is to stay.

    The straight way when its time has come; and back to the third member when nothing came for a turn.
    """
    if contact.tried is not None:
        return _led_back(contact, contact.tried, now.seconds)
    span, known = int((now.wall - (0 if peer.starts else APART)) // STRAIGHT), turns(peer)
    before, held = contact.straight
    if not known or (span, known) == contact.straight:
        return contact, ""
    noted = structs.replace(contact, straight=(span, known))
    if not before:
        return noted, ""
    new = [one for one in known if one not in held]
    return structs.replace(noted, tried=now.seconds), new[0] if new else known[span % len(known)]


def _led_back(contact: Contact, tried: float, now: float) -> tuple[Contact, str]:
    if contact.heard is not None and contact.heard > tried:
        return structs.replace(contact, tried=None), ""
    return (contact, "") if now - tried < TURN else (structs.replace(contact, tried=None), contact.at)


Place = tuple[str, bytes]
NO_RELAYS: Mapping[Place, str] = MappingProxyType({})


def sent_at_once(device: str, peer: Peer, endpoint: str) -> tuple[Step, ...]:
    """Set the endpoint, and have WireGuard send there at once: it does when keepalives are switched on."""
    off, on = structs.replace(peer, endpoint="", keepalive=0), structs.replace(peer, endpoint=endpoint)
    return SetPeer(device, off), SetPeer(device, on)


class Contacts:
    """The contacts of all devices, by device and key."""

    def __init__(self) -> None:
        self._held: dict[Place, Contact] = {}
        self._relays: Mapping[Place, str] = NO_RELAYS

    def look(self, wanted: Device, actual: Actual, now: Now, relays: Mapping[Place, str] = NO_RELAYS) -> list[Step]:
        """Take up what this device counted; what sets the peers that are to be looked for elsewhere.

        One that never shook hands is set anew by the end that starts, so that it is tried at once. `relays` are where
        peers stand on loopback.
        """
        self._relays = relays
        held = {peer.key: peer.endpoint for peer in actual.device.peers}
        gone = {place for place in self._held if place[0] == wanted.name and place[1] not in held}
        for place in gone:
            del self._held[place]
        steps: list[Step] = []
        for peer in (peer for peer in wanted.peers if peer.key in held):
            count = actual.counters.get(peer.key, Counters())
            steps += self._step((wanted.name, peer), held[peer.key], count, now)
        return steps

    def aimed(self, device: str, peer: Peer) -> Peer:
        """The peer with the endpoint of its turn."""
        place = device, peer.key
        contact = self._held.get(place)
        return peer if contact is None else structs.replace(peer, endpoint=aim(contact, peer, self._relay(place)))

    def heard(self) -> dict[Place, str]:
        """Where each peer is heard steadily."""
        return {place: contact.told for place, contact in self._held.items() if contact.told}

    def lost(self, now: float) -> frozenset[Place]:
        """The peers to be looked for through a third member."""
        return frozenset(place for place, contact in self._held.items() if is_lost(contact, now))

    def relayed(self, now: float) -> frozenset[Place]:
        """The peers that are heard through a third member."""
        return frozenset(place for place, contact in self._held.items() if is_relayed(contact, now))

    def forget(self, device: str) -> None:
        """The device is no more."""
        self._held = {place: contact for place, contact in self._held.items() if place[0] != device}

    def _relay(self, place: Place) -> str:
        return self._relays.get(place, "")

    def _step(self, of: tuple[str, Peer], endpoint: str, count: Counters, now: Now) -> Iterable[Step]:
        device, peer = of
        place, seconds = (device, peer.key), now.seconds
        contact = look(self._held.get(place), endpoint, count, seconds)
        relay = self._relay(place) if is_lost(contact, seconds) else ""
        if is_relayed(contact, seconds):
            self._held[place], where = straightened(contact, peer, now)
            return sent_at_once(device, peer, where) if where else ()
        after = self._held[place] = turned(contact, peer, seconds, relay)
        if after is contact:
            return ()
        aimed = structs.replace(peer, endpoint=aim(after, peer, relay))
        return anew(device, (aimed,)) if peer.starts and not count.handshake else (SetPeer(device, aimed),)

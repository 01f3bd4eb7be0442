"""One ADS stream in the older variant, state of the world, sans-IO: requests and changes in, responses out.

A response of clusters or listeners is the full set: what it lacks is deleted. So a cluster that listeners may still use
stays in the set until they let go of it. One that the client asks for by its name stays until the client lets go: gRPC
acknowledges a route before it asks for the cluster behind it, and uses the old one until it has the new. A refused
resource is represented by the last one that was not refused. Of the other types a response holds what changed, and
nothing can be removed.

One response of a type is in flight at a time; a request with any nonce but the last is of the past and is not answered.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, field

from gateways.xds.client import Client
from gateways.xds.messages import (
    CDS,
    EDS,
    MADE,
    ORDER,
    USERS,
    WHOLE,
    WILDCARD,
    Resource,
    WorldRequest,
    WorldResponse,
    mark,
    version_of,
)
from gateways.xds.refusal import Rejected, blamed
from gateways.xds.shelf import Change, Shelf

Forms = dict[str, Resource | None]
"""Resource by name; None where there is nothing."""


class Sent(Struct, frozen=True):
    """The response that waits for its answer: what is new in it, and what the client had of that before."""

    forms: Forms
    before: Forms


class Channel(Struct):
    """One type on one stream. `has` is what the client was sent and did not refuse, `marks` the sum over it.

    `dirty` are names to look at, `owed` those to be sent whether changed or not; `must` when a full set is to be sent.
    `alone` are to be sent each by itself, to find the bad one. `resumed` when the client came with a version that is
    not ours: what it holds is not known until it accepts a response.
    """

    type_url: str
    wildcard: bool = False
    names: frozenset[str] = frozenset()
    has: dict[str, Resource] = field(default_factory=dict)
    marks: int = 0
    dirty: set[str] = field(default_factory=set)
    owed: set[str] = field(default_factory=set)
    must: bool = False
    alone: list[str] = field(default_factory=list)
    flight: Sent | None = None
    nonce: str = ""
    rejected: dict[str, Rejected] = field(default_factory=dict)
    resumed: bool = False

    @property
    def whole(self) -> bool:
        """True when each response is the full set."""
        return self.type_url in WHOLE

    def wants(self, name: str) -> bool:
        """True when the client is subscribed to this name."""
        return self.wildcard or name in self.names

    def held(self) -> int:
        """How many names the client makes us remember."""
        return sum(map(len, (self.names, self.dirty, self.owed, self.alone, self.rejected)))

    def settled(self) -> bool:
        """True when the client acknowledged everything that it wants."""
        return not (self.flight or self.dirty or self.owed or self.must or self.alone or self.rejected)

    def put(self, name: str, form: Resource | None) -> Resource | None:
        """The client has this form from now on; what it had before."""
        before = self.has.pop(name, None) if form is None else self.has.get(name)
        if form is not None:
            self.has[name] = form
        self.marks += mark(form) - mark(before)
        return before

    def forget(self, names: Iterable[str]) -> None:
        """The client let go of these names."""
        for name in names:
            self.put(name, None)
            self.rejected.pop(name, None)
            self.dirty.discard(name)
            self.owed.discard(name)

    def settle(self, error: str | None) -> None:
        """Take the answer to the response in flight."""
        flight, self.flight = self.flight, None
        if flight is None:
            return
        bad = set() if error is None else blamed(flight.forms, error)
        if error is None or (not bad and blamed(self.rejected, error)):
            self.resumed = False
            self._accept(flight.forms)
        elif not bad and len(flight.forms) > 1 and not self.whole:
            self._trace(flight)
        else:
            self._refuse(flight, bad or set(flight.forms), error)

    def _accept(self, names: Iterable[str]) -> None:
        for name in names:
            self.rejected.pop(name, None)

    def _trace(self, flight: Sent) -> None:
        """Nobody was named: back to what was before, and each by itself."""
        for name in filter(self.wants, flight.forms):
            self.put(name, flight.before.get(name))
            self.alone.append(name)

    def _refuse(self, flight: Sent, bad: set[str], error: str) -> None:
        """Quarantine the bad; the rest goes again, for not every client takes the good part of what it refuses.

        A full set goes only when something else changes, with the bad in it, where the client's own state is not known
        or everything was refused: to leave that out might delete what works.
        """
        rest = flight.forms.keys() - bad
        known = not self.whole or not (self.resumed or (len(bad) > 1 and not rest))
        self._accept(rest)
        for name in filter(self.wants, bad):
            form = flight.forms[name]
            self.rejected[name] = Rejected(None if form is None else form.version, error)
            if known:
                self.put(name, flight.before.get(name))
        if self.whole:
            self.must = known
        else:
            self.owed.update(filter(self.wants, rest))


class WorldStream(Client[Channel]):
    """One client. Feed it with `receive` and `update`, drain `output`."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__()
        self.nacks = 0
        self.output: list[WorldResponse] = []
        self._shelf = shelf
        self._warming: set[str] = set()
        self._count = 0

    def receive(self, request: WorldRequest) -> None:
        """Take one request: an answer to a response, a change of interest, or both. Other types are not served."""
        if request.type_url not in ORDER:
            return
        channel = self._channels.get(request.type_url)
        if channel is None:
            channel = self._channels[request.type_url] = Channel(request.type_url)
            self._begin(channel, request)
        elif request.nonce == channel.nonce:
            self.nacks += request.error is not None and channel.flight is not None
            channel.settle(request.error)
            self._interest(channel, request)
        self._advance()

    def update(self, changes: Iterable[Change]) -> None:
        """The shelf has another content now: what the client wants of it goes out."""
        for change in changes:
            channel = self._channels.get(change.type_url)
            if channel is not None and channel.wants(change.name):
                channel.dirty.add(change.name)
        self._advance()

    def retry(self) -> None:
        """Send again what was refused for a reason that may have passed."""
        for channel in self._channels.values():
            for name in [name for name, refusal in channel.rejected.items() if refusal.passing]:
                del channel.rejected[name]
                channel.owed.add(name)
        self._advance()

    def _present(self, type_url: str, channel: Channel) -> dict[str, Rejected]:
        return {name: one for name, one in channel.rejected.items() if self._stands(channel, name)}

    def _stands(self, channel: Channel, name: str) -> bool:
        """True when what was refused is still what there is."""
        now, refusal = self._shelf.get(channel.type_url, name), channel.rejected.get(name)
        return now is not None and refusal is not None and refusal.version == now.version

    def _begin(self, channel: Channel, request: WorldRequest) -> None:
        """The first request of a type. A client that has it all already is sent nothing."""
        channel.wildcard = WILDCARD in request.names or (channel.whole and not request.names)
        channel.names = self._shelf.share(frozenset(request.names) - {WILDCARD})
        offered = self._shelf.of(channel.type_url)
        wanted = offered.keys() if channel.wildcard else channel.names
        marks = sum(mark(offered.get(name)) for name in wanted)
        if request.version and request.version == version_of(marks):
            channel.has = {name: offered[name] for name in wanted if name in offered}
            channel.marks = marks
        else:
            channel.resumed = bool(request.version)
            channel.owed = set(wanted)
            channel.must = channel.whole and self._shelf.has(channel.type_url)
        if channel.type_url == EDS:
            channel.owed.update(filter(channel.wants, self._warming))
            self._warming = set()

    def _interest(self, channel: Channel, request: WorldRequest) -> None:
        """Once a name was said, saying none is wanting none (rule 4); a name that is new is answered (rule 5)."""
        names = frozenset(request.names) - {WILDCARD}
        wildcard = WILDCARD in request.names or (channel.wildcard and not names and not channel.names)
        if (wildcard, names) == (channel.wildcard, channel.names):
            return
        new = names - channel.names
        if wildcard and not channel.wildcard:
            new |= self._shelf.of(channel.type_url).keys()
        channel.wildcard, channel.names = wildcard, self._shelf.share(names)
        channel.forget([n for n in (*channel.has, *channel.rejected, *channel.dirty) if not channel.wants(n)])
        channel.alone = list(filter(channel.wants, channel.alone))
        channel.owed |= new
        channel.must = channel.must or (channel.whole and bool(new))

    def _advance(self) -> None:
        for type_url in ORDER:
            channel = self._channels.get(type_url)
            if channel is not None and channel.flight is None:
                self._send_due(channel)
        clusters = self._channels.get(CDS)
        if clusters is not None and clusters.dirty and self._may_remove():
            unnamed = sorted(clusters.dirty - clusters.names)
            self._send(clusters, self._changed(clusters, unnamed, removals=True))

    def _send_due(self, channel: Channel) -> None:
        """What is owed goes; what changed goes too, but users wait for what they use."""
        if channel.alone:
            name = channel.alone.pop(0)
            channel.owed.add(name)
            self._send(channel, self._changed(channel, [name]))
            return
        if not (channel.owed or channel.dirty or channel.must):
            return
        blocked = channel.type_url in USERS and self._in_flight(*MADE)
        changed = self._changed(channel, sorted(channel.owed if blocked else channel.owed | channel.dirty))
        self._send(channel, changed)

    def _send(self, channel: Channel, changed: Forms) -> None:
        if channel.must or changed:
            self._respond(channel, changed)

    def _changed(self, channel: Channel, names: Iterable[str], removals: bool = False) -> Forms:
        """What of these names is to be sent. A cluster that is gone stays among the names until it may leave."""
        changed: Forms = {}
        for name in names:
            now, last = self._shelf.get(channel.type_url, name), channel.has.get(name)
            if now is None and last is not None and channel.whole:
                if channel.type_url == CDS and not removals:
                    channel.owed.discard(name)
                    continue
                changed[name] = None
            elif now is None:
                channel.put(name, None)
            elif not self._stands(channel, name) and (
                name in channel.owed or last is None or last.version != now.version
            ):
                changed[name] = now
            channel.dirty.discard(name)
            channel.owed.discard(name)
        return changed

    def _may_remove(self) -> bool:
        return not self._in_flight(*MADE, *USERS)

    def _in_flight(self, *type_urls: str) -> bool:
        channels = (self._channels.get(type_url) for type_url in type_urls)
        return any(channel is not None and channel.flight is not None for channel in channels)

    def _owe_endpoints(self, channel: Channel, changed: Forms) -> None:
        """Rule 8: a cluster that the client has already, or may have, takes its endpoints along."""
        follows = {
            name
            for one in changed.values()
            if one is not None and (channel.resumed or one.name in channel.has)
            for name in one.follows
        }
        endpoints = self._channels.get(EDS)
        if endpoints is None:
            self._warming |= follows
        else:
            endpoints.owed.update(filter(endpoints.wants, follows))

    def _respond(self, channel: Channel, changed: Forms) -> None:
        if channel.type_url == CDS:
            self._owe_endpoints(channel, changed)
        self._count += 1
        channel.nonce = str(self._count)
        channel.must = False
        channel.flight = Sent(changed, {name: channel.put(name, form) for name, form in changed.items()})
        self.output.append(
            WorldResponse(
                type_url=channel.type_url,
                nonce=channel.nonce,
                version=version_of(channel.marks),
                resources=self._content(channel, changed),
            )
        )

    def _content(self, channel: Channel, changed: Forms) -> tuple[Resource, ...]:
        if not channel.whole:
            return tuple(form for form in changed.values() if form is not None)
        if channel.marks == self._shelf.marks(channel.type_url):
            return self._shelf.all(channel.type_url).resources
        return tuple(channel.has.values())


def _differs(last: Resource | None, now: Resource) -> bool:
    return last is None or last.version != now.version

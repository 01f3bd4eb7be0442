"""One ADS stream, sans-IO: requests and changes in, responses out (xDS protocol, incremental variant).

Make before break: clusters and their endpoints go out first, listeners and routes when those are acknowledged, and
clusters that nobody uses any more leave last.

A stream keeps only how its client differs from the shelf: what is not `due`, in flight or refused is held as it is
there. So a request or a change costs what it is about, and a stream at rest holds nothing that grows with the world.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, field

from gateways.xds.client import Client
from gateways.xds.messages import CDS, EDS, LDS, MADE, ORDER, USERS, WILDCARD, Request, Resource, Response
from gateways.xds.refusal import Rejected, blamed
from gateways.xds.shelf import All, Change, Shelf

Versions = dict[str, str | None]
"""Version by resource name; None where there is nothing."""


_NOTHING: Versions = {}


class Sent(Struct, frozen=True):
    """A response that waits for its answer: what it carries (None: a removal), and what the client was sent before."""

    versions: Versions
    before: Versions


class Channel(Struct):
    """One type on one stream. `due` is what changed since it was sent, with the version that was sent last.

    `owed` must be answered whether changed or not; `alone` must be sent each by itself, to find the bad one;
    `resumed` when the client came with resources from an earlier stream; `answered` when anything was ever sent, since
    a wildcard subscription to a type that is known to be empty must be told so, or the client waits 15 s for it.
    """

    wildcard: bool = False
    names: frozenset[str] = frozenset()
    due: Versions = field(default_factory=dict)
    owed: set[str] = field(default_factory=set)
    alone: set[str] = field(default_factory=set)
    flights: dict[str, Sent] = field(default_factory=dict)
    rejected: dict[str, Rejected] = field(default_factory=dict)
    resumed: bool = False
    answered: bool = False

    def wants(self, name: str) -> bool:
        """True when the client is subscribed to this name."""
        return self.wildcard or name in self.names

    def forget(self, names: Iterable[str]) -> None:
        """The client let go of these names."""
        for name in names:
            self.due.pop(name, None)
            self.rejected.pop(name, None)
            self.owed.discard(name)

    def held(self) -> int:
        """How many names the client makes us remember."""
        beside = (self.names, self.due, self.owed, self.alone, self.rejected)
        return sum(map(len, beside)) + sum(1 + len(flight.before) for flight in self.flights.values())

    def settled(self) -> bool:
        """True when the client acknowledged everything that it wants."""
        return not (self.flights or self.due or self.owed or self.rejected)

    def settle(self, nonce: str, error: str | None) -> None:
        """Take the answer to one of our responses; an unknown nonce says nothing.

        A refusal that names nobody is of one resource at least: each is then sent again by itself.
        """
        flight = self.flights.pop(nonce, None)
        if flight is None:
            return
        if error is not None:
            self._refuse(flight, error)
        elif self.rejected:
            self._accept(flight.versions)

    def _accept(self, names: Iterable[str]) -> None:
        for name in names:
            self.rejected.pop(name, None)

    def _refuse(self, flight: Sent, error: str) -> None:
        sent = [name for name, version in flight.versions.items() if version is not None]
        bad = blamed(sent, error)
        if not bad and len(sent) > 1:
            self.alone.update(sent)
            self._again(flight)
            return
        bad = bad or set(sent)
        self._accept(flight.versions.keys() - bad)
        for name in filter(self.wants, bad):
            self.rejected[name] = Rejected(flight.versions[name], error)

    def _again(self, flight: Sent) -> None:
        for name in filter(self.wants, flight.versions):
            self.due.setdefault(name, flight.before.get(name))
            self.owed.add(name)


class Stream(Client[Channel]):
    """One client. Feed it with `receive` and `update`, drain `output`."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__()
        self.nacks = 0
        self.output: list[Response] = []
        self._shelf = shelf
        self._warming: set[str] = set()
        self._count = 0

    def receive(self, request: Request) -> None:
        """Take one request: an answer to a response, a change of interest, or both. Other types are not served."""
        if request.type_url not in ORDER:
            return
        channel = self._channels.get(request.type_url)
        if channel is None:
            channel = self._channels[request.type_url] = Channel()
            if self._wants_all(channel, request):
                self._advance()
                return
            self._resume(channel, request)
        if request.nonce:
            self.nacks += request.error is not None and request.nonce in channel.flights
            channel.settle(request.nonce, request.error)
        self._subscribe(channel, request)
        self._unsubscribe(channel, request)
        self._advance()

    def update(self, changes: Iterable[Change]) -> None:
        """The shelf has another content now: what the client wants of it goes out."""
        for change in changes:
            channel = self._channels.get(change.type_url)
            if channel is not None and channel.wants(change.name):
                channel.due.setdefault(change.name, None if change.before is None else change.before.version)
        self._advance()

    def retry(self) -> None:
        """Send again what was refused for a reason that may have passed."""
        for channel in self._channels.values():
            for name in [name for name, refusal in channel.rejected.items() if refusal.passing]:
                channel.due.setdefault(name, channel.rejected.pop(name).version)
                channel.owed.add(name)
        self._advance()

    def _wants_all(self, channel: Channel, request: Request) -> bool:
        """Short cut for a first request for all there is, by a client that has nothing of it, or has it all."""
        offered = self._shelf.of(request.type_url)
        wildcard = not request.subscribe
        if not offered or self._warming or not (wildcard or frozenset(request.subscribe) == offered.keys()):
            return False
        every = self._shelf.all(request.type_url)
        if request.initial and request.initial != every.versions:
            return False
        if not request.initial and request.type_url in USERS and self._in_flight(*MADE):
            return False
        channel.wildcard = wildcard
        channel.names = self._shelf.share(frozenset(request.subscribe))
        channel.resumed = channel.answered = bool(request.initial)
        if not request.initial:
            self._respond(request.type_url, channel, every.resources, (), every)
        return True

    def _resume(self, channel: Channel, request: Request) -> None:
        channel.resumed = channel.answered = bool(request.initial)
        if not request.subscribe:
            self._widen(channel, request)
        if request.type_url == EDS:
            channel.owed |= self._warming
            self._warming = set()

    def _widen(self, channel: Channel, request: Request) -> None:
        """The client wants all there is from now on; it has what it says."""
        channel.wildcard = True
        offered = self._shelf.of(request.type_url)
        for name, resource in offered.items():
            if name not in channel.names and request.initial.get(name) != resource.version:
                channel.due.setdefault(name, request.initial.get(name))
        for name, version in request.initial.items():
            if name not in offered:
                channel.due.setdefault(name, version)

    def _subscribe(self, channel: Channel, request: Request) -> None:
        if WILDCARD in request.subscribe and not channel.wildcard:
            self._widen(channel, request)
        names = [name for name in request.subscribe if name != WILDCARD]
        if names:
            channel.names = self._shelf.share(channel.names.union(names))
        for name in names:
            known = request.initial.get(name)
            if known is None or known != self._version(request.type_url, name):
                channel.due.setdefault(name, known)
                channel.owed.add(name)

    def _unsubscribe(self, channel: Channel, request: Request) -> None:
        if not request.unsubscribe:
            return
        channel.names = self._shelf.share(channel.names.difference(request.unsubscribe))
        if WILDCARD in request.unsubscribe:
            channel.wildcard = False
        gone = {name for name in (*request.unsubscribe, *channel.due, *channel.rejected) if not channel.wants(name)}
        channel.forget(gone)
        if channel.wildcard:
            channel.owed.update(name for name in request.unsubscribe if name != WILDCARD)

    def _present(self, type_url: str, channel: Channel) -> dict[str, Rejected]:
        refused = channel.rejected.items()
        return {name: one for name, one in refused if self._version(type_url, name) == one.version}

    def _version(self, type_url: str, name: str) -> str | None:
        resource = self._shelf.get(type_url, name)
        return None if resource is None else resource.version

    def _advance(self) -> None:
        for type_url in ORDER:
            channel = self._channels.get(type_url)
            if channel is not None:
                self._send_due(type_url, channel)
        for type_url in ORDER:
            channel = self._channels.get(type_url)
            if channel is not None and channel.due and type_url not in USERS and self._may_remove():
                self._send(type_url, channel, [], self._gone(type_url, channel))

    def _send_due(self, type_url: str, channel: Channel) -> None:
        """What is owed goes at once; what changed waits for the answer before, and users for what they use."""
        due, unknown = self._ready(type_url, channel)
        held_back = bool(channel.flights) or (type_url in USERS and self._in_flight(*MADE))
        if held_back:
            due = [resource for resource in due if resource.name in channel.owed]
        gone = self._gone(type_url, channel) if type_url in USERS and not held_back else []
        if type_url == CDS:
            self._owe_endpoints(channel, due)
        for resource in due:
            if resource.name in channel.alone:
                self._send(type_url, channel, [resource], [])
        self._send(type_url, channel, [r for r in due if r.name not in channel.alone], [*unknown, *gone])
        channel.alone.difference_update(resource.name for resource in due)
        if channel.wildcard and not channel.answered and self._shelf.has(type_url):
            self._respond(type_url, channel, (), ())

    def _ready(self, type_url: str, channel: Channel) -> tuple[list[Resource], list[str]]:
        """What is to be sent, and the names that were asked for and do not exist; the rest of `due` is let go."""
        ready: list[Resource] = []
        unknown: list[str] = []
        for name in dict.fromkeys((*channel.due, *sorted(channel.owed))):
            resource = self._shelf.get(type_url, name)
            if resource is None and name in channel.owed:
                unknown.append(name)
            elif resource is not None and self._is_due(channel, name, resource):
                ready.append(resource)
            elif resource is not None or channel.due.get(name) is None:
                channel.due.pop(name, None)
                channel.owed.discard(name)
        return ready, unknown

    def _is_due(self, channel: Channel, name: str, resource: Resource) -> bool:
        refusal = channel.rejected.get(name)
        if refusal is not None and refusal.version == resource.version:
            return False
        return name in channel.owed or channel.due[name] != resource.version

    def _gone(self, type_url: str, channel: Channel) -> list[str]:
        return [name for name in channel.due if self._shelf.get(type_url, name) is None and name not in channel.owed]

    def _may_remove(self) -> bool:
        """Clusters and what hangs on them leave last; after a reconnect that means: when listeners were asked for."""
        clusters = self._channels.get(CDS)
        if clusters is not None and clusters.resumed and LDS not in self._channels:
            return False
        return not self._in_flight(*MADE, *USERS)

    def _in_flight(self, *type_urls: str) -> bool:
        channels = (self._channels.get(type_url) for type_url in type_urls)
        return any(channel is not None and channel.flights for channel in channels)

    def _owe_endpoints(self, clusters: Channel, due: Iterable[Resource]) -> None:
        """Rule 8. A client that reconnects asks for endpoints after its clusters: then they are owed as it does."""
        endpoints = self._channels.get(EDS)
        follows = {name for one in due if clusters.due.get(one.name) is not None for name in one.follows}
        if endpoints is None:
            self._warming |= follows
        else:
            endpoints.owed.update(name for name in follows if endpoints.wants(name))

    def _send(self, type_url: str, channel: Channel, resources: list[Resource], removed: list[str]) -> None:
        if resources or removed:
            self._respond(type_url, channel, tuple(resources), tuple(removed))

    def _respond(
        self,
        type_url: str,
        channel: Channel,
        resources: tuple[Resource, ...],
        removed: tuple[str, ...],
        every: All | None = None,
    ) -> None:
        self._count += 1
        nonce = str(self._count)
        channel.answered = True
        if every is not None:
            channel.flights[nonce] = Sent(every.versions, _NOTHING)
        else:
            channel.flights[nonce] = self._taken(channel, resources, removed)
        all_of = "" if every is None else every.version
        self.output.append(
            Response(type_url=type_url, nonce=nonce, resources=resources, removed=removed, all_of=all_of)
        )

    @staticmethod
    def _taken(channel: Channel, resources: tuple[Resource, ...], removed: tuple[str, ...]) -> Sent:
        """What is sent now is not due any more."""
        versions: Versions = {resource.name: resource.version for resource in resources}
        versions.update(dict.fromkeys(removed))
        before = {name: channel.due.pop(name, version) for name, version in versions.items()}
        channel.owed.difference_update(versions)
        if not channel.due:
            channel.due = {}
        return Sent(versions, before)

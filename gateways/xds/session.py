"""One ADS stream, sans-IO: requests and snapshots in, responses out (xDS protocol, incremental variant).

Make before break: clusters and their endpoints go out first, listeners when those are acknowledged, and clusters that
nobody uses any more leave last.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from msgspec import Struct, field

from gateways.xds.messages import CDS, EDS, LDS, RDS, SDS, Request, Resource, Response, Snapshot

ORDER = (CDS, EDS, SDS, LDS, RDS)
WILDCARD = "*"

Versions = dict[str, str | None]
"""Version by resource name; None where the resource was removed."""


class Rejected(Struct, frozen=True):
    """A version that the client refused, with its words."""

    version: str | None
    text: str

    @property
    def passing(self) -> bool:
        """True when the content is not at fault but the moment: an address that another process still holds."""
        return "cannot bind" in self.text


class Channel(Struct):
    """One type on one stream. `sent` is the last that went out, `held` what was acknowledged.

    `owed` must be answered whether changed or not; `alone` must be sent each by itself, to find the bad one;
    `resumed` when the client came with resources from an earlier stream; `answered` when anything was ever sent, since
    a wildcard subscription to a type that is known to be empty must be told so, or the client waits 15 s for it.
    """

    wildcard: bool = False
    names: set[str] = field(default_factory=set)
    sent: Versions = field(default_factory=dict)
    held: Versions = field(default_factory=dict)
    flights: dict[str, Versions] = field(default_factory=dict)
    owed: set[str] = field(default_factory=set)
    alone: set[str] = field(default_factory=set)
    resumed: bool = False
    answered: bool = False
    rejected: dict[str, Rejected] = field(default_factory=dict)

    def wants(self, name: str) -> bool:
        """True when the client is subscribed to this name."""
        return self.wildcard or name in self.names

    def settle(self, nonce: str, error: str | None) -> None:
        """Take the answer to one of our responses; an unknown nonce says nothing.

        A refusal that names nobody is of one resource at least: each is then sent again by itself.
        """
        flight = self.flights.pop(nonce, None)
        if flight is None:
            return
        sent = {name for name, version in flight.items() if version is not None}
        bad = set() if error is None else blamed(sent, error)
        if error is not None and not bad and len(sent) > 1:
            self.alone |= sent
            for name in sent:
                self.sent.pop(name, None)
            return
        bad = sent if error is not None and not bad else bad
        for name, version in flight.items():
            if name in bad:
                self.rejected[name] = Rejected(version, error or "")
            else:
                self.held[name] = version
                self.rejected.pop(name, None)


def blamed(names: Iterable[str], error: str) -> set[str]:
    """The resources that an error text names, as Envoy does: `<name>: <why>`."""
    return {name for name in names if f" {name}:" in f" {error}"}


class Stream:
    """One client. Feed it with `receive` and `update`, drain `output`."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.node = ""
        self.nacks = 0
        self.output: deque[Response] = deque()
        self._snapshot = snapshot
        self._channels: dict[str, Channel] = {}
        self._count = 0

    def receive(self, request: Request) -> None:
        """Take one request: an answer to a response, a change of interest, or both."""
        channel = self._channels.get(request.type_url)
        if channel is None:
            channel = self._channels[request.type_url] = Channel()
            self._resume(channel, request)
        if request.nonce:
            self.nacks += request.error is not None and request.nonce in channel.flights
            channel.settle(request.nonce, request.error)
        self._subscribe(channel, request)
        self._unsubscribe(channel, request)
        self._advance()

    def update(self, snapshot: Snapshot) -> None:
        """Offer this content from now on; what differs goes out."""
        self._snapshot = snapshot
        self._advance()

    def retry(self) -> None:
        """Send again what was refused for a reason that may have passed."""
        for channel in self._channels.values():
            for name in [name for name, refusal in channel.rejected.items() if refusal.passing]:
                del channel.rejected[name]
                channel.sent.pop(name, None)
        self._advance()

    def settled(self) -> bool:
        """True when the client asked for clusters and listeners and acknowledged everything that it wants to hold."""
        if CDS not in self._channels or LDS not in self._channels:
            return False
        return all(self._is_settled(type_url) for type_url in self._channels)

    def holds(self, type_url: str) -> bool:
        """True when the client asked for resources of this type and acknowledged them."""
        return type_url in self._channels and self._is_settled(type_url)

    def problems(self) -> tuple[str, ...]:
        """What the client refuses of the present content, in its own words."""
        return tuple(
            f"E190 envoy refuses {type_url.rpartition('.')[2]} {name}: {refusal.text}"
            for type_url, channel in sorted(self._channels.items())
            for name, refusal in sorted(channel.rejected.items())
            if self._version(type_url, name) == refusal.version
        )

    def _resume(self, channel: Channel, request: Request) -> None:
        channel.held = dict(request.initial)
        channel.sent = dict(request.initial)
        channel.wildcard = not request.subscribe
        channel.resumed = channel.answered = bool(request.initial)

    def _subscribe(self, channel: Channel, request: Request) -> None:
        offered = self._snapshot.get(request.type_url, {})
        for name in request.subscribe:
            if name == WILDCARD:
                channel.wildcard = True
                continue
            channel.names.add(name)
            known = request.initial.get(name)
            if known is None or name not in offered or offered[name].version != known:
                channel.owed.add(name)

    def _unsubscribe(self, channel: Channel, request: Request) -> None:
        for name in request.unsubscribe:
            if name == WILDCARD:
                channel.wildcard = False
                gone = [held for held in channel.sent if held not in channel.names]
            else:
                channel.names.discard(name)
                gone = [] if channel.wildcard else [name]
                if channel.wildcard:
                    channel.owed.add(name)
            for held in gone:
                channel.sent.pop(held, None)
                channel.held.pop(held, None)
                channel.owed.discard(held)

    def _version(self, type_url: str, name: str) -> str | None:
        resource = self._snapshot.get(type_url, {}).get(name)
        return None if resource is None else resource.version

    def _is_settled(self, type_url: str) -> bool:
        channel = self._channels[type_url]
        offered = self._snapshot.get(type_url, {})
        if channel.flights:
            return False
        extra = any(channel.held[name] is not None for name in channel.held.keys() - offered.keys())
        return not extra and all(
            channel.held.get(name) == resource.version for name, resource in offered.items() if channel.wants(name)
        )

    def _advance(self) -> None:
        for type_url in ORDER:
            channel = self._channels.get(type_url)
            if channel is not None:
                self._send_due(type_url, channel)
        for type_url in (CDS, EDS, SDS):
            channel = self._channels.get(type_url)
            if channel is not None and self._may_remove():
                self._send(type_url, channel, [], self._gone(type_url, channel))

    def _send_due(self, type_url: str, channel: Channel) -> None:
        offered = self._snapshot.get(type_url, {})
        due = [resource for name, resource in offered.items() if self._is_due(channel, name, resource)]
        gone = self._gone(type_url, channel) if type_url == LDS else []
        if type_url == LDS and self._in_flight(CDS, EDS):
            due, gone = [resource for resource in due if resource.name in channel.owed], []
        if type_url == CDS:
            self._owe_endpoints(channel, due)
        for resource in due:
            if resource.name in channel.alone:
                self._send(type_url, channel, [resource], [])
        self._send(type_url, channel, [r for r in due if r.name not in channel.alone], gone)
        done = {resource.name for resource in due}
        channel.alone -= done
        channel.owed -= done | channel.rejected.keys()
        unknown = sorted(channel.owed - offered.keys())
        self._send(type_url, channel, [], unknown)
        channel.owed.difference_update(unknown)
        if channel.wildcard and not channel.answered and type_url in self._snapshot:
            self._respond(type_url, channel, [], [])

    def _gone(self, type_url: str, channel: Channel) -> list[str]:
        offered = self._snapshot.get(type_url, {})
        return [name for name, version in channel.sent.items() if version is not None and name not in offered]

    def _may_remove(self) -> bool:
        """Clusters and what hangs on them leave last; after a reconnect that means: when listeners were asked for."""
        clusters = self._channels.get(CDS)
        if clusters is not None and clusters.resumed and LDS not in self._channels:
            return False
        return not self._in_flight(CDS, EDS, LDS)

    def _is_due(self, channel: Channel, name: str, resource: Resource) -> bool:
        refusal = channel.rejected.get(name)
        if not channel.wants(name) or (refusal is not None and refusal.version == resource.version):
            return False
        return name in channel.owed or channel.sent.get(name) != resource.version

    def _in_flight(self, *type_urls: str) -> bool:
        channels = (self._channels.get(type_url) for type_url in type_urls)
        return any(channel is not None and channel.flights for channel in channels)

    def _owe_endpoints(self, clusters: Channel, due: list[Resource]) -> None:
        endpoints = self._channels.get(EDS)
        if endpoints is None:
            return
        for resource in due:
            if clusters.sent.get(resource.name) is not None:
                endpoints.owed.update(name for name in resource.follows if endpoints.wants(name))

    def _send(self, type_url: str, channel: Channel, resources: list[Resource], removed: list[str]) -> None:
        if resources or removed:
            self._respond(type_url, channel, resources, removed)

    def _respond(self, type_url: str, channel: Channel, resources: list[Resource], removed: list[str]) -> None:
        channel.answered = True
        self._count += 1
        nonce = str(self._count)
        versions: Versions = {resource.name: resource.version for resource in resources}
        versions.update(dict.fromkeys(removed))
        channel.flights[nonce] = versions
        channel.sent.update(versions)
        self.output.append(Response(type_url=type_url, nonce=nonce, resources=tuple(resources), removed=tuple(removed)))

"""Streams on a shelf of their own, and clients that are played word by word."""

from collections.abc import Sequence

from gateways.xds.messages import (
    CDS,
    EDS,
    LDS,
    RDS,
    SDS,
    Request,
    Resource,
    Response,
    Snapshot,
    WorldRequest,
    WorldResponse,
)
from gateways.xds.session import Stream as Session
from gateways.xds.shelf import Shelf
from gateways.xds.world import WorldStream as WorldSession


def resource(name: str, version: str, follows: tuple[str, ...] = ()) -> Resource:
    return Resource(name=name, version=version, body=b"", follows=follows)


def snapshot(
    clusters: str = "1", endpoints: str = "1", listeners: str = "1", names: str = "a", routes: str = "1"
) -> Snapshot:
    return {
        CDS: {n: resource(n, clusters, (n,)) for n in names},
        EDS: {n: resource(n, endpoints) for n in names},
        LDS: {n: resource(n, listeners) for n in names},
        RDS: {n: resource(n, routes) for n in names},
        SDS: {"key": resource("key", "1")},
    }


def kind(type_url: str) -> str:
    return type_url.rpartition(".")[2]


class Stream(Session):
    """The incremental variant."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.shelf = Shelf(snapshot)
        super().__init__(self.shelf)

    def offer(self, snapshot: Snapshot) -> None:
        self.update(self.shelf.offer(snapshot))


class World(WorldSession):
    """State of the world."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.shelf = Shelf(snapshot)
        super().__init__(self.shelf)

    def offer(self, snapshot: Snapshot) -> None:
        self.update(self.shelf.offer(snapshot))


def said(stream: Stream) -> list[Response]:
    made = list(stream.output)
    stream.output.clear()
    return made


def short(stream: Stream) -> list[tuple[str, list[str], list[str]]]:
    """What was said: last word of the type, names, removed."""
    return [(kind(r.type_url), [x.name for x in r.resources], list(r.removed)) for r in said(stream)]


def acknowledge(stream: Stream, rounds: int = 5) -> list[Response]:
    """Acknowledge everything until silence; all that was said."""
    every: list[Response] = []
    for _ in range(rounds):
        responses = said(stream)
        every += responses
        for response in responses:
            stream.receive(Request(type_url=response.type_url, nonce=response.nonce))
    assert not stream.output
    return every


def connected(first: Snapshot) -> Stream:
    """A client as Envoy is: clusters, then their endpoints, then listeners, routes; everything acknowledged."""
    stream = Stream(first)
    stream.receive(Request(type_url=CDS))
    stream.receive(Request(type_url=EDS, subscribe=tuple(first[EDS])))
    stream.receive(Request(type_url=LDS))
    stream.receive(Request(type_url=RDS, subscribe=tuple(first[RDS])))
    acknowledge(stream)
    return stream


class WorldClient:
    """A client of the older variant: knows its names, its last version and nonce of each type."""

    def __init__(self, first: Snapshot) -> None:
        self.stream = World(first)
        self.names: dict[str, tuple[str, ...]] = {}
        self.version: dict[str, str] = {}
        self.nonce: dict[str, str] = {}

    def ask(self, type_url: str, *names: str, error: str | None = None) -> None:
        self.names[type_url] = names
        self.stream.receive(
            WorldRequest(
                type_url=type_url,
                names=names,
                version=self.version.get(type_url, ""),
                nonce=self.nonce.get(type_url, ""),
                error=error,
            )
        )

    def take(self) -> list[WorldResponse]:
        """What was said, not yet answered."""
        made = list(self.stream.output)
        self.stream.output.clear()
        for response in made:
            self.nonce[response.type_url] = response.nonce
        return made

    def accept(self, response: WorldResponse) -> None:
        self.version[response.type_url] = response.version
        self.ask(response.type_url, *self.names[response.type_url])

    def refuse(self, response: WorldResponse, error: str) -> None:
        self.ask(response.type_url, *self.names[response.type_url], error=error)

    def accept_all(self, rounds: int = 20) -> list[WorldResponse]:
        every: list[WorldResponse] = []
        for _ in range(rounds):
            responses = self.take()
            every += responses
            for response in responses:
                self.accept(response)
        assert not self.stream.output
        return every

    def again(self) -> "WorldClient":
        """The same client on a new stream; the same shelf."""
        client = WorldClient({})
        client.stream = World.__new__(World)
        client.stream.shelf = self.stream.shelf
        WorldSession.__init__(client.stream, self.stream.shelf)
        client.version = dict(self.version)
        return client


def told(responses: Sequence[WorldResponse]) -> list[tuple[str, list[str]]]:
    """What was said: last word of the type, names."""
    return [(kind(response.type_url), sorted(one.name for one in response.resources)) for response in responses]


def world_connected(first: Snapshot) -> WorldClient:
    """A client as Envoy is, everything acknowledged."""
    client = WorldClient(first)
    for type_url, names in ((CDS, ()), (EDS, tuple(first[EDS])), (LDS, ()), (RDS, tuple(first[RDS]))):
        client.ask(type_url, *names)
        client.accept_all()
    return client

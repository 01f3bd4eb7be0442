"""Whatever changes, is refused, delayed or cut: a client ends with what the shelf has, in both variants, and on the way no
listener or route that it holds is without its cluster.

Names are those of services: listener, route, cluster and endpoints of one bear the same name, so that a listener that
the client holds needs the cluster of that name.
"""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateways.xds.messages import CDS, EDS, LDS, RDS, Request, Resource, Snapshot, WorldRequest
from gateways.xds.session import Stream
from gateways.xds.shelf import Shelf
from gateways.xds.world import WorldStream

TYPES = (CDS, EDS, LDS, RDS)
NAMES = "abcd"
Held = dict[str, dict[str, str]]

version = st.sampled_from(["1", "2", "bad"])
services = st.dictionaries(st.sampled_from(NAMES), st.tuples(version, version, version, version), max_size=4)
step = st.one_of(
    st.tuples(st.just("offer"), services),
    st.tuples(st.just("answer"), st.integers(0, 3)),
    st.tuples(st.just("cut"), st.none()),
)


def content(made: dict[str, tuple[str, ...]]) -> Snapshot:
    return {
        type_url: {
            name: Resource(name=name, version=versions[place], body=b"", follows=(name,) if type_url == CDS else ())
            for name, versions in made.items()
        }
        for place, type_url in enumerate(TYPES)
    }


class Delta:
    """Envoy, incremental: takes the good part of a response, refuses the rest by name."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.held: Held = {type_url: {} for type_url in TYPES}
        self.refused = False
        self.connect()

    def connect(self) -> None:
        self.stream: Any = Stream(self.shelf)
        self.asked = {EDS: set[str](self.held[CDS]), RDS: set[str](self.held[LDS])}
        for type_url in TYPES:
            names = tuple(sorted(self.asked.get(type_url, ())))
            if type_url in (CDS, LDS) or names:
                self.send(type_url, initial=dict(self.held[type_url]), subscribe=names)

    def send(self, type_url: str, **fields: Any) -> None:
        self.stream.receive(Request(type_url=type_url, **fields))

    def answer(self) -> None:
        """The oldest response."""
        if not self.stream.output:
            return
        response = self.stream.output.pop(0)
        held = self.held[response.type_url]
        bad = [one.name for one in response.resources if one.version == "bad"]
        self.put(response)
        for name in response.removed:
            held.pop(name, None)
        self.check()
        error = f"bad: {bad[0]}: is bad" if bad else None
        if len(bad) > 1:
            error = "several are bad"
        self.send(response.type_url, nonce=response.nonce, error=error)
        self.follow()

    def put(self, response: Any) -> None:
        """Take the good part of what is still wanted."""
        asked = self.asked.get(response.type_url)
        good = {one.name: one.version for one in response.resources if one.version != "bad"}
        self.held[response.type_url].update({n: v for n, v in good.items() if asked is None or n in asked})

    def follow(self) -> None:
        """Ask for endpoints of clusters, and routes of listeners, as they come and go."""
        for users, used in ((CDS, EDS), (LDS, RDS)):
            now = set(self.held[users])
            new, gone = now - self.asked[used], self.asked[used] - now
            if new or gone:
                self.asked[used] = now
                self.send(used, subscribe=tuple(sorted(new)), unsubscribe=tuple(sorted(gone)))
            for name in gone:
                self.held[used].pop(name, None)

    def check(self) -> None:
        if self.unsure:
            return
        for name in self.held[LDS]:
            assert name in self.held[CDS] or self.ever_bad(name), f"listener {name} has no cluster"

    def ever_bad(self, name: str) -> bool:
        return any(problem for problem in self.stream.problems() if f" {name}:" in problem) or name in self.spoilt

    spoilt: frozenset[str] = frozenset()
    unsure = False
    """True after a cut in the variant whose client cannot say what it holds."""


class World(Delta):
    """Envoy, state of the world."""

    def connect(self) -> None:
        self.stream = WorldStream(self.shelf)
        self.nonce: dict[str, str] = {}
        if not hasattr(self, "versions"):
            self.versions: dict[str, str] = {}
        self.asked = {EDS: set[str](self.held[CDS]), RDS: set[str](self.held[LDS])}
        for type_url in TYPES:
            if type_url in (CDS, LDS) or self.asked[type_url]:
                self.ask(type_url)

    def ask(self, type_url: str, error: str | None = None) -> None:
        self.stream.receive(
            WorldRequest(
                type_url=type_url,
                nonce=self.nonce.get(type_url, ""),
                error=error,
                names=tuple(sorted(self.asked.get(type_url, ()))),
                version=self.versions.get(type_url, ""),
            )
        )

    def answer(self) -> None:
        if not self.stream.output:
            return
        response = self.stream.output.pop(0)
        held = self.held[response.type_url]
        bad = [one.name for one in response.resources if one.version == "bad"]
        if response.type_url in (CDS, LDS):
            for name in held.keys() - {one.name for one in response.resources}:
                del held[name]
        self.put(response)
        self.check()
        self.nonce[response.type_url] = response.nonce
        if not bad:
            self.versions[response.type_url] = response.version
        error = "Error: " + "\n".join(f"{name}: is bad" for name in bad) if bad else None
        if len(bad) > 1 and response.type_url not in (CDS, LDS):
            error = "several are bad"
        self.ask(response.type_url, error)
        self.follow()

    def follow(self) -> None:
        for users, used in ((CDS, EDS), (LDS, RDS)):
            now = set(self.held[users])
            for name in self.asked[used] - now:
                self.held[used].pop(name, None)
            if now != self.asked[used]:
                self.asked[used] = now
                if used in self.nonce or now:
                    self.ask(used)


def play(client: Delta, steps: list[tuple[str, Any]]) -> None:
    for what, value in steps:
        if what == "offer":
            client.spoilt = client.spoilt | {name for name, versions in value.items() if "bad" in versions}
            client.stream.update(client.shelf.offer(content(value)))
        elif what == "cut":
            client.connect()
            client.unsure = isinstance(client, World)
        else:
            for _ in range(value):
                client.answer()
    for _ in range(500):
        if not client.stream.output:
            return
        client.answer()
    raise AssertionError("it never comes to rest")


def wanted(shelf: Shelf, type_url: str) -> dict[str, str]:
    """What a client must hold of this type. Of a refused resource it may hold anything."""
    return {name: one.version for name, one in shelf.of(type_url).items() if one.version != "bad"}


def compare(client: Delta) -> None:
    for type_url in TYPES:
        user = {EDS: CDS, RDS: LDS}.get(type_url)
        present = {n: v for n, v in wanted(client.shelf, type_url).items() if user is None or n in client.held[user]}
        held = client.held[type_url]
        assert {name: held.get(name) for name in present} == present, type_url
        bad = {name for name, one in client.shelf.of(type_url).items() if one.version == "bad"}
        assert held.keys() - present.keys() <= bad, type_url


@settings(max_examples=300, deadline=None, derandomize=True)
@given(first=services, steps=st.lists(step, max_size=12))
def test_a_delta_client_ends_with_what_there_is(
    first: dict[str, tuple[str, ...]], steps: list[tuple[str, Any]]
) -> None:
    client = Delta(Shelf(content(first)))
    play(client, [("offer", first), *steps])
    compare(client)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(first=services, steps=st.lists(step, max_size=12))
def test_a_world_client_ends_with_what_there_is(
    first: dict[str, tuple[str, ...]], steps: list[tuple[str, Any]]
) -> None:
    client = World(Shelf(content(first)))
    play(client, [("offer", first), *steps])
    compare(client)

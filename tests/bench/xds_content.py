"""What the xDS servers of the bench serve: SERVICES services of ENDPOINTS endpoints each, and who may ask for it."""

import base64
import json
from pathlib import Path

from federation.link.leaf import Leaf
from federation.model.spiffe import account, gateway_id
from gateways.xds.messages import EDS, Resource, Snapshot
from tests.worlds.attacks import EAST, constrained, leaf, uri
from tests.worlds.xds_resources import cluster, endpoints, listener, locality, route, world

SERVICES, ENDPOINTS = 100, 10
CLIENT = str(account(EAST, "shop", "web"))
CHANGED = "service-7"


def content() -> Snapshot:
    """All of it."""
    names = [f"service-{number}" for number in range(SERVICES)]
    return world(
        clusters=[cluster(name) for name in names],
        endpoints=[assignment(name, ENDPOINTS) for name in names],
        listeners=[listener(f"in-{number}", 10_000 + number, name) for number, name in enumerate(names)],
        routes=[route(name, name) for name in names],
    )


def assignment(name: str, count: int) -> Resource:
    """The endpoints of one service."""
    return endpoints(name, locality(range(20_000, 20_000 + count), 1_000_000))


def changed(number: int) -> Resource:
    """The endpoints of CHANGED after this many changes."""
    return assignment(CHANGED, ENDPOINTS + number)


def write(folder: Path) -> None:
    """Certificates, and the content for a server that is not ours."""
    anchor = constrained(EAST)
    for name, identity in (("server", str(gateway_id(EAST))), ("client", CLIENT)):
        pair = leaf(anchor, uri(identity))
        (folder / f"{name}.key").write_text(pair.key)
        (folder / f"{name}.pem").write_text(pair.chain)
    (folder / "anchor.pem").write_text(anchor.pem)
    every = [_line(url, one) for url, named in content().items() for one in named.values()]
    (folder / "content.json").write_text(json.dumps([*every, *(_line(EDS, changed(number)) for number in (1, 2))]))


def _line(url: str, one: Resource) -> dict[str, str]:
    return {"type": url, "name": one.name, "body": base64.b64encode(one.body).decode()}


def shown(folder: Path, name: str) -> Leaf:
    """One of the certificates."""
    key, chain = (folder / f"{name}.key").read_text(), (folder / f"{name}.pem").read_text()
    return Leaf(id=name, key=key, chain=chain, not_before=0, not_after=1)

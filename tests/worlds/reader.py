"""us-east reading eu-central's record, and a record that is good."""

from federation.model.names import ServiceKey
from federation.model.record import About, Endpoint, Export, Port, Resource, Slice
from federation.session.tree import Tree
from federation.sync.held import HeldRecord
from tests.worlds.acme import Acme, content

WEB = ServiceKey("shop", "web")
PORTS = (Port("http", 8080),)


def slice_of(*addresses: str, service: ServiceKey = WEB) -> Slice:
    endpoints = tuple(Endpoint(address) for address in addresses)
    return Slice(service=service, az="a", ports=PORTS, endpoints=endpoints)


GOOD: tuple[Resource, ...] = (
    About("eu-central", "eu-central", "0.1.0"),  # type: ignore[arg-type]
    Export(service=WEB, ports=(Port("http", 80),)),
    slice_of("10.2.1.11"),
)


class Reader:
    """us-east holding eu-central's record."""

    def __init__(self) -> None:
        self.acme = Acme()
        self.writer = self.acme.keys["eu-central"]
        self.overlay = self.acme.member("eu-central").overlay
        self.held = HeldRecord(self.acme.member("eu-central"), self.acme.member("us-east"))
        self.generation = 0
        self.take(*GOOD)

    def take(self, *resources: Resource) -> None:
        self.take_tree(content(*resources))

    def take_tree(self, tree: Tree) -> None:
        self.generation += 1
        self.held.take(self.writer.head(tree, self.generation), tree)

    def refusal(self, *resources: Resource) -> str:
        """The one refusal after these were added to what is good."""
        self.take(*GOOD[:2], *resources)
        assert len(self.held.refusals) == 1
        return str(next(iter(self.held.refusals.values())))

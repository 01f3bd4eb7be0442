"""What shall be: our record for peers and a handout for each role, as hash trees moved along by what changed."""

from collections.abc import Mapping

from msgspec import Struct, structs

from federation.model.handout import Import, Place, Role, Steered
from federation.model.names import ServiceKey
from federation.model.record import Resource
from federation.plan.service import ServicePlan
from federation.session.tree import Tree
from federation.wire.keyed import encode

KINDS: dict[Role, frozenset[str]] = {
    "gateway": frozenset(("site", "peer", "sighted", "pool", "offer", "own-node")),
    "node": frozenset(
        ("site", "peer", "pool", "import", "offer", "jwt", "foreign", "orders", "own-gateway", "confined")
    ),
    "xds": frozenset(("site", "peer", "pool", "import", "confined")),
    "dns": frozenset(("site", "import", "headless", "place", "steered", "witness", "orders")),
}
NOTHING = ServicePlan(record={}, handout={})


class Desired:
    """The trees, and the plan of each service that they were made from; `offering` of these are in our record, and
    `exporting` offer a service there.

    `steered` are the public names in force, by host.
    """

    def __init__(self) -> None:
        self.record = Tree()
        self.roles: dict[Role, Tree] = {role: Tree() for role in KINDS}
        self.plans: dict[ServiceKey, ServicePlan] = {}
        self.offering = self.exporting = 0
        self.steered: dict[str, Steered] = {}
        self._mesh_record: dict[str, Resource] = {}
        self._mesh_handout: dict[str, Struct] = {}

    def put_service(self, key: ServiceKey, plan: ServicePlan) -> None:
        """Replace the plan of one service."""
        old = self.plans.get(key, NOTHING)
        self._move(old.record, plan.record, old.handout, plan.handout)
        self._move_names(old, plan)
        self.offering += plan.offers - old.offers
        self.exporting += plan.exported - old.exported
        if structs.replace(plan, kept=structs.replace(plan.kept, addresses=(), left=0)) == NOTHING:
            self.plans.pop(key, None)
        else:
            self.plans[key] = plan

    def offers(self, key: ServiceKey) -> bool:
        """True when our record says anything of the service."""
        return key in self.plans and self.plans[key].offers

    def _move_names(self, old: ServicePlan, plan: ServicePlan) -> None:
        """A host may go from one service to another within a pass, in any order."""
        made = {value.name.host: value for value in plan.handout.values() if isinstance(value, Steered)}
        for value in old.handout.values():
            if isinstance(value, Steered) and value.name.host not in made:
                held = self.steered.get(value.name.host)
                if held is not None and held.name.service == value.name.service:
                    del self.steered[value.name.host]
        self.steered.update(made)

    def places(self) -> list[Place]:
        """Where clients of public names may stand."""
        return [value for value in self._mesh_handout.values() if isinstance(value, Place)]

    def put_mesh(self, record: dict[str, Resource], handout: dict[str, Struct]) -> None:
        """Replace everything that is about no service: ourselves, gateways, peers."""
        self._move(self._mesh_record, record, self._mesh_handout, handout)
        self._mesh_record, self._mesh_handout = record, handout

    def _move(
        self,
        old_record: Mapping[str, Resource],
        record: Mapping[str, Resource],
        old_handout: Mapping[str, Struct],
        handout: Mapping[str, Struct],
    ) -> None:
        self.record = _moved(self.record, old_record, record)
        for role, kinds in KINDS.items():
            self.roles[role] = _moved(
                self.roles[role],
                {key: value for key, value in old_handout.items() if key.partition("/")[0] in kinds},
                {key: value for key, value in handout.items() if key.partition("/")[0] in kinds},
            )


def _moved(tree: Tree, old: Mapping[str, Struct], new: Mapping[str, Struct]) -> Tree:
    changed = {key: encode(value) for key, value in new.items() if old.get(key) != value}
    return tree.apply(changed, frozenset(old.keys() - new.keys()))


def told(plan: ServicePlan) -> dict[str, Struct]:
    """What the law is told of a service and its public names, by the key under which the journal has it."""
    found: dict[str, Struct] = {}
    for key, value in plan.handout.items():
        if isinstance(value, Steered):
            found[f"steered/{value.name.host}"] = value
        elif isinstance(value, Import):
            found[key] = value
    return found

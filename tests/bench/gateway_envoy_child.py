"""One real Envoy as a gateway with many offers, told one change after another as its agent tells it.

Usage: gateway_envoy_child.py OFFERS. Prints one JSON object: seconds of Envoy's processor until it holds everything, its
megabytes, and of each kind of change the bytes of the resources that changed and milliseconds of Envoy's processor.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT)

from msgspec import Struct, structs  # noqa: E402

from federation.model.handout import Peer  # noqa: E402
from federation.model.spiffe import account, trust_domain  # noqa: E402
from federation.trust.anchor import make_anchor  # noqa: E402
from gateways.evidence import NOTHING  # noqa: E402
from gateways.offering import Offering  # noqa: E402
from gateways.planner import Planner  # noqa: E402
from gateways.render.envoy.resources import Certificate  # noqa: E402
from gateways.xds.encode import Encoder  # noqa: E402
from tests.bench.gateway_changes import LAST, Change, kinds, values  # noqa: E402
from tests.worlds.envoy_fed import FedEnvoy  # noqa: E402
from tests.worlds.many_services import GATEWAY, own_site  # noqa: E402
from tests.worlds.two_members import DOMAIN, MemberKeys, seed_of  # noqa: E402

RUNS = 4


class Gateway:
    """From handout to Envoy. Envoy reads certificates, so members have real anchors."""

    def __init__(self, envoy: FedEnvoy) -> None:
        self.envoy = envoy
        self._planner, self._offering, self._encoder = Planner(GATEWAY), Offering(), Encoder()
        own = real("m1")
        leaf = own.leaf(account(own.domain, "isthmus", "gateway"))
        self._certificates = {leaf.id: Certificate(leaf.chain, leaf.key)}
        self.site = structs.replace(own_site(), anchor=own.anchor)

    def take(self, changed: dict[str, Struct | None]) -> int:
        """Have Envoy hold it; the bytes of the resources that it was sent for that."""
        self._offering.note(self._planner.step(changed, NOTHING))
        due = self._offering.due(self._planner.state, self._certificates)
        made = self._encoder.encode(due)
        self._offering.done(self._planner.state, self._certificates)
        self.envoy.put(due)
        sent = [made.snapshot[kind].get(name) for kind, name in made.changed]
        return sum(len(one.body) for one in sent if one is not None)


def measured(offers: int) -> dict[str, object]:
    """Everything that the parent wants to know."""
    with FedEnvoy() as envoy:
        gateway = Gateway(envoy)
        content = {
            key: structs.replace(value, anchor=real(value.member).anchor) if isinstance(value, Peer) else value
            for key, value in values(offers).items()
        }
        gateway.take({**content, "site": gateway.site})
        cold, megabytes = spent(envoy) / 1_000, resident(envoy)
        changes = {name: taken(gateway, kind.change) for name, kind in kinds(offers, content[f"peer/m{LAST}"]).items()}
    return {"cold": cold, "resident": megabytes, "changes": changes}


def taken(gateway: Gateway, change: Change) -> dict[str, list[float]]:
    """This kind of change, RUNS times."""
    sent: list[float] = []
    cpu: list[float] = []
    for run in range(RUNS):
        before = spent(gateway.envoy)
        sent.append(gateway.take(change(run)))
        cpu.append(spent(gateway.envoy) - before)
    return {"sent": sent, "cpu": cpu}


def real(name: str) -> MemberKeys:
    """A member with a real anchor, whatever its number."""
    key, pem = make_anchor(trust_domain(name, DOMAIN), datetime.now(UTC))
    return MemberKeys(name, key, pem, seed_of(name))


def spent(envoy: FedEnvoy) -> float:
    """Milliseconds of the processor that Envoy's threads have had (proc(5), schedstat)."""
    tasks = Path(f"/proc/{envoy.process.pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1_000_000


def resident(envoy: FedEnvoy) -> float:
    """Megabytes of its memory that are resident."""
    lines = Path(f"/proc/{envoy.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1_024


if __name__ == "__main__":
    print(json.dumps(measured(int(sys.argv[1]))))

"""A gateway's handout with so many offers, and the kinds of change that are made to it again and again."""

from collections.abc import Callable

from msgspec import Struct, structs

from federation.model.access import AccessRule, Source
from federation.model.handout import Offer
from federation.model.record import Port
from tests.worlds.many_services import Scale, handout, peer_of, pool_of, service_of

TCP = (Port("tcp", 5432),)
HTTP = (Port("http", 80, "TCP", "http"),)
LAST = 100
"""The number of the member that comes and goes."""

Change = Callable[[int], dict[str, Struct | None]]


class Kind(Struct, frozen=True):
    """A kind of change: what the handout says after the run of this number, and the Envoy resource that follows it."""

    change: Change
    resource: str


def values(offers: int) -> dict[str, Struct]:
    """100 members; every second offer is plain TCP."""
    made = handout(Scale(services=offers))
    for number in range(1, offers, 2):
        made[f"offer/apps/s{number}"] = Offer(service_of(number), TCP, access=rule(0))
    return {key: value for key, value in made.items() if not key.startswith(("import/", "workload/"))}


def rule(run: int) -> tuple[AccessRule, ...]:
    """One caller is admitted, another one each time."""
    return (AccessRule(sources=(Source("m2", "apps", f"a{run}"),)),)


def kinds(offers: int, last: Struct | None = None) -> dict[str, Kind]:
    """Each changes what it says and nothing else; `last` is the peer that comes and goes."""
    scale = Scale(services=offers)
    comer = last or peer_of(LAST)
    new = structs.replace(service_of(0), name="new")
    return {
        "offer": Kind(lambda run: {"offer/apps/new": Offer(new, HTTP) if run % 2 == 0 else None}, "gateway"),
        "TCP rule": Kind(lambda run: {"offer/apps/s1": Offer(service_of(1), TCP, access=rule(run + 1))}, "gateway"),
        "HTTP rule": Kind(
            lambda run: {"offer/apps/s0": Offer(service_of(0), HTTP, access=rule(run + 1))}, "in/apps/s0/http"
        ),
        "endpoint": Kind(lambda run: {"pool/apps/s2/a/http": pool_of(scale, 2, run % 9)}, "in/apps/s2/http"),
        "peer": Kind(lambda run: {f"peer/m{LAST}": comer if run % 2 else None}, "peers"),
    }

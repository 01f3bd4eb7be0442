"""What the law is asked: candidates are ruled on as one case. Pure."""

from collections.abc import Iterable, Mapping

from msgspec import Struct, structs

from federation.model.handout import Candidate, Import
from federation.model.moves import Shift
from federation.model.policy import Policy
from federation.model.standing import UNKNOWN, Standing

Paths = Mapping[str, Standing]


class Case(Struct, frozen=True):
    """From which member, by which policy, with which evidence on the paths, at which Unix millisecond.

    `demand` is what the clients there ask of the service, in requests per second (0: unknown). `shifts` are those in
    force for it. `region` is the clients' region; "" is that of the local candidate, if there is one.
    """

    local: str
    policy: Policy = Policy()
    paths: Paths = {}
    now: int = 0
    demand: int = 0
    shifts: tuple[Shift, ...] = ()
    region: str = ""

    def path(self, member: str) -> Standing:
        """The evidence on the way to this member; without any it is not down."""
        return self.paths.get(member, UNKNOWN)


def case_of(item: Import, local: str, region: str, paths: Paths, now: int) -> Case:
    """The case of an import for the clients of the member `local` in `region`."""
    return Case(local, item.policy, paths, now, item.demand, item.shifts, region)


def placed(case: Case, candidates: Iterable[Candidate]) -> Case:
    """The case with the clients' region, where the local candidate tells it."""
    if case.region:
        return case
    return structs.replace(case, region=next((c.region for c in candidates if c.member == case.local), ""))

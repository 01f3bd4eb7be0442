"""What services are planned against: everything that is the node's and not the service's. Pure."""

from collections.abc import Mapping

from msgspec import Struct

from federation.model.confine import Confined
from federation.model.handout import Candidate, Import, Offer, Peer, Pool, Site
from federation.model.spiffe import SpiffeId
from federation.model.standing import Standing
from gateways.flat_state import PodRange
from gateways.state import Situation


class Acting(Struct, frozen=True):
    """A workload on this node: its identity and the addresses that are its alone."""

    identity: SpiffeId
    sources: tuple[str, ...]


class View(Struct, frozen=True, kw_only=True):
    """The node at one moment. A service may ask for what its own candidates are, and for nothing of other members:
    by its candidates it is found again when one of them changes (`known.Known`).

    `az` is the node's zone ("": unknown), `peers` by member are those accepted, `paths` the ways to members
    as the law reads them, `ways` those to single gateways by overlay address, `now` the Unix millisecond of ruling.
    `flat`: flat mode is in force with some peer; `pods` are the ranges of this node's own. `confined` says what its
    workloads may call at other members.
    """

    situation: Situation
    site: Site
    az: str
    peers: Mapping[str, Peer]
    paths: Mapping[str, Standing]
    ways: Mapping[str, Standing]
    acting: tuple[Acting, ...]
    now: int
    flat: bool = False
    pods: tuple[PodRange, ...] = ()
    confined: tuple[Confined, ...] = ()


class Imported(Struct, frozen=True, kw_only=True):
    """One service as the role node plans it: its import, the own member's pools with endpoints that fail their probes
    as unready, the own candidate as last ruled on, and by listener port the name that owns it.
    """

    item: Import
    pools: tuple[Pool, ...]
    before: Candidate | None
    owners: Mapping[int, str]


class Exported(Struct, frozen=True, kw_only=True):
    """One service as the role gateway plans it; `pools` as in `Imported`."""

    item: Offer
    pools: tuple[Pool, ...]

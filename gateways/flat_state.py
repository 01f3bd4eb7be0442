"""Flat mode in the node state: who may open what between our pods and other members'."""

from msgspec import Struct


class FlatPeer(Struct, frozen=True):
    """A member whose pods reach ours by address, and ours theirs: they are in `ranges`."""

    member: str
    number: int
    ranges: tuple[str, ...]


class PodRange(Struct, frozen=True, order=True):
    """A range of own pods: as they have it themselves, and as other members see it."""

    local: str
    seen: str


class Opening(Struct, frozen=True, order=True):
    """A port (`protocol`: tcp, udp, sctp) of an own pod that pods of this member may open; "": of any flat peer."""

    address: str
    protocol: str
    port: int
    member: str = ""


class FlatMode(Struct, frozen=True):
    """What packets may pass between our pods and the peers'. At a node `pods` are its own. At a gateway they are those
    of nodes on other machines, and `beside` those of the node on its machine, by each of their addresses.
    """

    peers: tuple[FlatPeer, ...]
    pods: tuple[PodRange, ...]
    openings: tuple[Opening, ...]
    beside: tuple[str, ...] = ()

"""Flat mode in the node state: who may open what between our pods and other members'."""

from msgspec import Struct


class FlatPeer(Struct, frozen=True):
    """A member whose pods reach ours by address, and ours theirs: they are in `ranges`."""

    member: str
    number: int
    ranges: tuple[str, ...]
    egress: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """By namespace from which of them its packets come."""


class PodRange(Struct, frozen=True, order=True):
    """A range of own pods: as they have it themselves, and as other members see it."""

    local: str
    seen: str


class Source(Struct, frozen=True, order=True):
    """The egress address from which an own pod goes to flat peers."""

    pod: str
    egress: str


class Opening(Struct, frozen=True, order=True):
    """A port (`protocol`: tcp, udp, sctp) of an own pod that pods of this member may open; "": of any flat peer. With a
    namespace, those that come from its egress addresses.
    """

    address: str
    protocol: str
    port: int
    member: str = ""
    namespace: str = ""


class Kept(Struct, frozen=True, order=True):
    """An own pod that an EgressPolicy keeps from the pods of the flat peer of this number."""

    peer: int
    pod: str


class FlatMode(Struct, frozen=True):
    """What packets may pass between our pods and the peers'. At a node `pods` are its own. At a gateway they are those
    of nodes on other machines, and `beside` those of the node on its machine, by each of their addresses. `sources` are
    the pods of the node that have egress addresses, `egress` the ranges of all of the member's: no pod has them itself.
    `kept` are the pods of the node that may not begin anything there.
    """

    peers: tuple[FlatPeer, ...]
    pods: tuple[PodRange, ...]
    openings: tuple[Opening, ...]
    beside: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    egress: tuple[str, ...] = ()
    kept: tuple[Kept, ...] = ()

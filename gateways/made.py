"""What a pass of the agent made, and what of it is in force."""

from collections.abc import Mapping

from msgspec import Struct

from federation.link.leaf import issuer_of
from gateways.render.envoy.resources import Certificate
from gateways.state import NodeState
from gateways.sync import Wanted


class Made(Struct, frozen=True):
    """What one pass made of handout and evidence. `offered` when Envoy is offered all of it."""

    root: bytes
    state: NodeState
    wanted: Wanted
    certificates: Mapping[str, Certificate]
    offered: bool = False
    problems: tuple[str, ...] = ()


class Trust(Struct, frozen=True):
    """What Envoy trusts and shows: the mark of the ledger of its anchors, and the issuers of its leaves (key ids)."""

    ledger: int = 0
    issuers: frozenset[str] = frozenset()


def shows_leaves(state: NodeState) -> bool:
    """True when Envoy needs secrets: one that has not asked for them yet has what it had before."""
    if state.gateway is not None:
        return True
    return bool(state.identities) and any(one.listeners for one in state.services.values())


def trust_of(made: Made) -> Trust:
    """What is in force once Envoy holds the secrets of this."""
    return Trust(made.state.ledger, frozenset(issuer_of(one.chain) for one in made.certificates.values()))


def kernel_parts(state: NodeState) -> tuple[object, ...]:
    """What the kernel's part is made of: each the same object while it did not change."""
    return state.captures, state.tunnels, state.drained, state.flat


def keys_problem(state: NodeState) -> tuple[str, ...]:
    """So that nobody forgets a key that was not wholly exchanged."""
    if state.situation.spare is None:
        return ()
    return ("E127 this gateway has two WireGuard keys: `isthmus gateway rotate-key` goes on with that",)


def drained_problem(state: NodeState) -> tuple[str, ...]:
    """So that nobody forgets a gateway that was drained by hand."""
    if not state.drained:
        return ()
    return (f"E127 this gateway is drained ({state.drained}): end that with `isthmus gateway undrain`",)

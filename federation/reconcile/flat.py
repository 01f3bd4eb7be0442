"""Flat mode: with whose pods ours speak by address. In force between two members while both allow it, by command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

from msgspec import Struct

from federation.model.cidr import host_of, inside, network_of
from federation.model.flat import Flat, Image, meeting, within
from federation.model.ledger import Member
from federation.model.names import MemberName
from federation.model.record import Resource, key_of
from federation.ports import Store

PREFIX = "flat/"


class Pair(Struct, frozen=True, kw_only=True):
    """Our own member and another. `ranges` are its pods' while flat mode is in force, else `why` says why it is not."""

    member: MemberName
    here: bool
    there: bool
    ranges: tuple[str, ...] = ()
    why: str = ""


class FlatPairs:
    """`allowed` are the members that may here, written down; `images` what the controller was given."""

    def __init__(self, own: MemberName, store: Store, images: tuple[Image, ...]) -> None:
        self._own = own
        self._store = store
        self._given = images
        self.allowed = {MemberName(key.removeprefix(PREFIX)) for key in store.items(PREFIX)}

    def allow(self, member: MemberName) -> None:
        """This member's pods may, where it says the same."""
        self.allowed.add(member)
        self._store.put(PREFIX + member, b"allowed")

    def deny(self, member: MemberName) -> None:
        """They may not."""
        self.allowed.discard(member)
        self._store.drop(PREFIX + member)

    def record(self, members: Mapping[MemberName, Member]) -> dict[str, Resource]:
        """What our record says, of those who are members still."""
        return {key_of(one): one for one in map(Flat, sorted(self.allowed & members.keys()))}

    def images(self, own: Member) -> tuple[Image, ...]:
        """Those that hold by the ledger of now."""
        return tuple(one for one in self._given if not misplaced(one, own))

    def problems(self, own: Member) -> list[str]:
        """Why the others do not."""
        return [text for text in (misplaced(one, own) for one in self._given) if text]

    def pair(self, own: Member, other: Member, said: Mapping[str, Resource]) -> Pair:
        """How it stands with this member, by what its record says."""
        here, there = other.name in self.allowed, PREFIX + own.name in said
        why = _denied(own.name, other.name, here, there) or _addresses(own, other)
        return Pair(member=other.name, here=here, there=there, ranges=() if why else other.reachable, why=why)


def misplaced(image: Image, own: Member) -> str:
    """Why this image cannot hold ("": it does): others know our addresses by our reachable ranges alone."""
    where = f"--flat-map {image.local}={image.shared}"
    for text, ranges, what in ((image.local, own.local, "local"), (image.shared, own.reachable, "reachable")):
        if not within(text, ranges):
            listed = ", ".join(ranges) or "none"
            return f"E103 {where}: {text} lies in none of this member's {what} ranges in the ledger [{listed}]"
    return ""


def _denied(own: str, other: str, here: bool, there: bool) -> str:
    allow = f"run `isthmus flat allow {other}`"
    if not here:
        return f"not allowed here: {allow}" if there else f"allowed by neither: {allow}, and its operator the like"
    return "" if there else f"not allowed by {other}: its operator runs `isthmus flat allow {own}`"


def _addresses(own: Member, other: Member) -> str:
    """Why pods of these two cannot tell each other apart by address ("": they can)."""
    for member in (own, other):
        if not member.reachable:
            return f"{member.name} has no reachable range in the ledger"
    for text in other.reachable:
        ours = meeting(text, own.local)
        if ours is not None:
            return f"{text} of {other.name} overlaps {ours}, a local range of ours"
        for what, end in _public(other):
            if _lies_in(end, text):
                return f"{text} of {other.name} holds its {what} {end}, which must be reached beside the tunnels"
    return ""


def _lies_in(end: str, text: str) -> bool:
    """False for a name, which says nothing of addresses."""
    with suppress(ValueError):
        return inside(end, (network_of(text),))
    return False


def _public(member: Member) -> Iterator[tuple[str, str]]:
    """The addresses at which everybody must reach this member, its pods' or not."""
    yield from (("controller", host_of(at)) for at in member.sync)
    yield from (("ingress", at) for at in member.ingress)
    yield from (("DNS server", at) for at in member.nameservers)

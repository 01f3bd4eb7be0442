"""Answers of several members from different failure domains, each as often as its share says. Pure.

Systematic sampling (Madow 1949): the members' chances, `count` times their shares, are laid end to end, and one number
picks those that lie under it and under every whole step behind it. So each member is in an answer exactly as often as
its chance says, no domain is twice in one, and there are no more different answers than members.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from msgspec import Struct

from federation.law.divide import Parts, Share, apportion
from federation.law.fill import NOBODY
from federation.law.room import PPM


class Together(Struct, frozen=True):
    """Members whose addresses make one answer, and the part of all clients that gets it, in parts per million."""

    ppm: int
    members: tuple[str, ...]


def several(
    shares: Sequence[Share], standby: Sequence[str], count: int, domains: Mapping[str, str]
) -> tuple[Together, ...]:
    """Answers of `count` members where there are so many domains; one that is in no domain of `domains` is its own.

    Who stands by without a share fills up an answer that the others cannot. The share of "" stays without an address.
    """
    nothing = sum(share.ppm for share in shares if share.member == NOBODY)
    given: Parts = {share.member: share.ppm for share in shares if share.member != NOBODY}
    if not given:
        return (Together(PPM, ()),) if nothing else ()
    sets = _sets(apportion(given, PPM), standby, count, domains) if count > 1 else _alone(apportion(given, PPM))
    if not nothing:
        return tuple(sets)
    scaled = apportion({str(at): one.ppm for at, one in enumerate(sets)}, PPM - nothing)
    found = [Together(scaled[str(at)], one.members) for at, one in enumerate(sets) if scaled[str(at)]]
    return (*found, Together(nothing, ()))


def _alone(given: Parts) -> list[Together]:
    return [Together(ppm, (member,)) for member, ppm in given.items() if ppm]


def _sets(given: Parts, standby: Sequence[str], count: int, domains: Mapping[str, str]) -> list[Together]:
    chances = _chances(given, standby, count, domains)
    ends, at = [], 0
    for member, chance in chances.items():
        ends.append((at, at + chance, member))
        at += chance
    cuts = sorted({0, PPM, *(end % PPM for _, end, _ in ends)})
    found: list[Together] = []
    for low, high in pairwise(cuts):
        members = tuple(name for begin, end, name in ends if _under(begin, end, low))
        found.append(Together(high - low, members))
    return found


def _under(begin: int, end: int, point: int) -> bool:
    """True when the point or a whole step behind it lies in this stretch, which is no longer than one."""
    step = begin + (point - begin) % PPM
    return begin <= step < end


def _chances(given: Parts, standby: Sequence[str], count: int, domains: Mapping[str, str]) -> Parts:
    """By member, in order of domains: how often it is in an answer, in millionths; together a whole number of times."""
    inside: dict[str, Parts] = {}
    for member, ppm in given.items():
        inside.setdefault(domains.get(member, member), {})[member] = ppm
    for member in standby:
        inside.setdefault(domains.get(member, member), {member: 0})
    shares = {domain: sum(members.values()) for domain, members in inside.items()}
    chance = _capped(shares, min(count, len(inside)))
    chances: Parts = {}
    for domain, members in inside.items():
        weights = members if any(members.values()) else dict.fromkeys(members, 1)
        chances |= apportion(weights, chance[domain])
    return {member: ppm for member, ppm in chances.items() if ppm}


def _capped(shares: Parts, count: int) -> Parts:
    """`count` millions over these by their shares, none more than one; who has none fills up, in order."""
    chance: Parts = dict.fromkeys(shares, 0)
    left = count * PPM
    while left:
        open_ones: Parts = {name: share for name, share in shares.items() if share and chance[name] < PPM}
        if not open_ones:
            break
        for name, more in apportion(open_ones, left).items():
            more = min(more, PPM - chance[name])
            chance[name] += more
            left -= more
    for name in shares:
        more = min(left, PPM - chance[name])
        chance[name] += more
        left -= more
    return chance

"""What a policy or an operator asks beside order and room: a canary first, bounds of regions' shares, shifts. Pure."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from federation.law import words
from federation.law.case import Case
from federation.law.divide import Parts, Rooms, apportion
from federation.law.room import PPM
from federation.law.terms import names
from federation.model.handout import Candidate
from federation.model.moves import STEPS, moved


def canary(chosen: Sequence[Candidate], rooms: Rooms, case: Case) -> tuple[Parts, list[str]]:
    """What the canary gets before the law divides the rest: exactly its part, or what it has room for."""
    asked = case.policy.canary
    if asked is None or not asked.ppm:
        return {}, []
    named: Parts = {c.member: rooms.by_readiness[c.member] for c in chosen if names(asked.to, c, case.region)}
    room = min(asked.ppm, sum(named.values()))
    short = "" if room == asked.ppm else f", of {words.percent(asked.ppm)} asked"
    rules = [f"canary {asked.to}: {words.percent(room)} first{short}"]
    return (apportion(named, room) if room else {}), rules


def without(rooms: Rooms, taken: Parts) -> Rooms:
    """The rooms that are left beside what is taken; all of them when nothing is left."""

    def rest(room: Parts) -> Parts:
        return {member: max(0, ppm - taken.get(member, 0)) for member, ppm in room.items()}

    left = Rooms(rest(rooms.given), rest(rooms.full), rest(rooms.given_well), rest(rooms.full_well), rooms.by_readiness)
    return left if any(left.full_well.values()) else rooms


class _Region(Struct):
    """One region with somebody who may get requests: its share, and between what it must be."""

    share: int
    low: int
    high: int


def bounded(parts: Parts, chosen: Sequence[Candidate], rooms: Rooms, case: Case) -> tuple[Parts, list[str]]:
    """The parts with every region's share between the policy's `least` and `most`, as far as that can be."""
    policy = case.policy
    if not policy.least and not policy.most:
        return parts, []
    regions = _regions(parts, chosen, policy.least, policy.most)
    rules = _feasible(regions)
    wanted = _clamped(regions, chosen, rooms)
    changed = {name: share for name, share in wanted.items() if share != regions[name].share}
    rules += [words.bounded(name, regions[name].share, share) for name, share in changed.items()]
    return _spread(parts, chosen, rooms, changed), rules


def _regions(
    parts: Parts, chosen: Sequence[Candidate], least: Mapping[str, int], most: Mapping[str, int]
) -> dict[str, _Region]:
    regions: dict[str, _Region] = {}
    for c in chosen:
        high = most.get(c.region, PPM)
        one = regions.setdefault(c.region, _Region(0, min(least.get(c.region, 0), high), high))
        one.share += parts[c.member]
    return regions


def _feasible(regions: dict[str, _Region]) -> list[str]:
    """Bounds that cannot be met together are brought alike to what can be."""
    lows, highs = sum(r.low for r in regions.values()), sum(r.high for r in regions.values())
    if lows > PPM:
        for name, low in apportion({name: r.low for name, r in regions.items()}, PPM).items():
            regions[name].low = low
        return [f"least shares sum to {words.percent(lows)}: met as far as they can be"]
    if highs >= PPM:
        return []
    told = f"most shares of those left sum to {words.percent(highs)}: met as far as they can be"
    weights = {name: r.high for name, r in regions.items()} if highs else {name: r.share for name, r in regions.items()}
    for name, high in apportion(weights, PPM).items():
        regions[name].high = high
    return [told]


def _clamped(regions: dict[str, _Region], chosen: Sequence[Candidate], rooms: Rooms) -> Parts:
    """Each region's share within its bounds; the sum stays one million.

    What is over goes nearest first to whoever has room, then to all alike; what is missing is taken from all alike.
    """
    wanted: Parts = {name: min(max(r.share, r.low), r.high) for name, r in regions.items()}
    left = PPM - sum(wanted.values())
    if left < 0:
        taken = apportion({name: wanted[name] - r.low for name, r in regions.items()}, -left)
        return {name: share - taken[name] for name, share in wanted.items()}
    for name, room in _rooms_by_region(chosen, rooms).items():
        more = max(0, min(left, regions[name].high - wanted[name], room - wanted[name]))
        wanted[name] += more
        left -= more
    if left:
        for name, more in apportion({name: r.high - wanted[name] for name, r in regions.items()}, left).items():
            wanted[name] += more
    return wanted


def _rooms_by_region(chosen: Sequence[Candidate], rooms: Rooms) -> Parts:
    """Regions in the order of their nearest member."""
    found: Parts = {}
    for c in chosen:
        found[c.region] = found.get(c.region, 0) + rooms.given[c.member]
    return found


def _spread(parts: Parts, chosen: Sequence[Candidate], rooms: Rooms, changed: Parts) -> Parts:
    """The parts with these regions' shares divided over their members: as before, by room where nobody had any."""
    result = dict(parts)
    for name, share in changed.items():
        inside = [c.member for c in chosen if c.region == name]
        for weights in (parts, rooms.full_well, rooms.by_readiness, dict.fromkeys(inside, 1)):
            if any(weights[member] for member in inside):
                result |= apportion({member: weights[member] for member in inside}, share)
                break
    return result


def shifted(parts: Parts, rooms: Rooms, case: Case) -> tuple[Parts, list[str]]:
    """The parts after the shifts: of what the law gave a source; what has no room at its end stays where it was."""
    result, rules = dict(parts), []
    for shift in sorted(case.shifts, key=lambda s: (s.source, s.to, s.since, s.seconds, s.ppm)):
        done = moved(shift.since, shift.seconds, case.now)
        asked = min(parts.get(shift.source, 0) * shift.ppm * done // (PPM * STEPS), result.get(shift.source, 0))
        if not asked or shift.source == shift.to:
            continue
        room = max(0, rooms.given.get(shift.to, 0) - result.get(shift.to, 0))
        part = min(asked, room)
        rules.append(words.shifted(shift, asked, part, shift.to in parts))
        if part:
            result[shift.source] -= part
            result[shift.to] += part
    return result, rules

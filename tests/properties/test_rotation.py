"""Whatever order acknowledgements, renewals and restarts come in: a leaf in use is trusted by every reader not excluded.

The world here is only messages that are late: each reader has some prefix of the ledger in force, and the machine knows of
each only what arrived. The machine is the real one.
"""

from random import Random

import msgspec
import pytest
from msgspec import structs

from federation.trust.rotation import Done, Facts, Program, Rotation, Waits, member_name, program_name, step, wish

OLD, NEW = "old anchor", "new anchor"
PEERS, PROGRAMS = ("eu", "ap"), ("gw1", "node1")
READERS = (*map(member_name, PEERS), *map(program_name, PROGRAMS))
EVENTS = ["step", "step", "restart", "die", "grant", "controller", *READERS, *(f"ack {name}" for name in READERS)]
EVENTS += [f"renew {program_name(name)}" for name in PROGRAMS]


class World:
    """One rotating member, its programs, and other members."""

    def __init__(self, excluded: frozenset[str]) -> None:
        self.ledger = [(OLD, "")]
        self.force = dict.fromkeys(READERS, 1)
        self.acked = dict.fromkeys(READERS, 1)
        self.leaf = {"controller": OLD} | dict.fromkeys(map(program_name, PROGRAMS), OLD)
        self.told = {program_name(name): frozenset((OLD,)) for name in PROGRAMS}
        self.signs = OLD
        self.excluded = excluded
        begun = Rotation(phase="prepare", old=OLD, new=NEW, excluded=tuple(excluded))
        self.kept: bytes | None = msgspec.msgpack.encode(begun)

    @property
    def now(self) -> Rotation | None:
        return None if self.kept is None else msgspec.msgpack.decode(self.kept, type=Rotation)

    def facts(self) -> Facts:
        anchor, following = self.ledger[-1]
        return Facts(
            anchor=anchor,
            next_anchor=following,
            mark=len(self.ledger),
            members={name: self.acked[member_name(name)] for name in PEERS},
            programs={
                name: Program(self.acked[program_name(name)], self.told[program_name(name)]) for name in PROGRAMS
            },
            signs=self.signs,
            shown=self.leaf["controller"],
            wanted=NEW,
        )

    def move(self, act: bool = True) -> None:
        """One pass of the shell: what an earlier one decided is done first, what this one decides is kept. With `act`
        False it dies before it does anything."""
        now = self.now
        if now is None or not act:
            return
        if now.phase in ("active", "taint", "revoke"):
            self.signs = NEW
        found = step(now, self.facts())
        if isinstance(found, Rotation):
            self.kept = msgspec.msgpack.encode(found)
        elif isinstance(found, Done):
            self.kept = None

    def grant(self) -> None:
        now = self.now
        if now is not None and now.phase in ("prepare", "revoke") and wish(now) != self.ledger[-1]:
            self.ledger.append(wish(now))

    def happen(self, event: str) -> None:
        name = event.rpartition(" ")[2]
        now = self.now
        match event.partition(" ")[0]:
            case "step" | "restart":
                self.move()
            case "die":
                self.move(act=False)
            case "grant":
                self.grant()
            case "controller":
                self.leaf["controller"] = self.signs
            case "ack":
                self.acked[name] = self.force[name]
                if name in self.told:
                    self.told[name] = frozenset((self.leaf[name],))
            case "renew":
                if now is None or now.phase in ("taint", "revoke"):
                    self.leaf[name] = self.signs
            case _:
                self.force[name] = min(self.force[name] + 1, len(self.ledger))

    def betrayed(self) -> list[str]:
        """Leaves in use that a reader who is not excluded would refuse."""
        shown = {who: leaf for who, leaf in self.leaf.items() if who not in self.excluded}
        return [
            f"{who} shows {leaf} to {reader}, who trusts {self.ledger[at - 1]}"
            for who, leaf in shown.items()
            for reader, at in self.force.items()
            if reader not in self.excluded and leaf not in self.ledger[at - 1]
        ]


def history(seed: int) -> list[str]:
    """Events in an order of this seed, in which some readers hear and say little."""
    random = Random(seed)
    slow = random.sample(READERS, random.randrange(3))
    events = [e for e in EVENTS if not any(e.endswith(name) for name in slow) or random.random() < 0.1]
    return random.choices(events, k=random.randrange(20, 200))


@pytest.mark.parametrize("seed", range(300))
def test_no_order_of_events_shows_a_leaf_to_one_who_does_not_trust_it(seed: int) -> None:
    world = World(frozenset(Random(-seed - 1).sample(READERS, seed % 3 // 2)))
    for event in history(seed):
        world.happen(event)
        assert not world.betrayed(), (event, world.now)


@pytest.mark.parametrize("seed", range(100))
def test_when_everything_arrives_at_last_it_ends_with_the_new_anchor_alone(seed: int) -> None:
    world = World(frozenset())
    for event in history(seed):
        world.happen(event)
    for _ in range(12):
        for event in EVENTS:
            world.happen(event)
    assert (world.now, world.ledger[-1], set(world.leaf.values())) == (None, (NEW, ""), {NEW})


def test_one_who_acknowledges_nothing_is_waited_for_in_every_phase() -> None:
    world = World(frozenset())
    silent = program_name("gw1")
    for _ in range(12):
        for event in EVENTS:
            if not event.endswith(silent):
                world.happen(event)
    assert world.now is not None
    found = step(world.now, world.facts())
    assert isinstance(found, Waits)
    assert (world.now.phase, found.names) == ("prepare", (silent,))
    world.kept = msgspec.msgpack.encode(structs.replace(world.now, phase="taint"))
    found = step(structs.replace(world.now, phase="taint"), world.facts())
    assert isinstance(found, Waits)
    assert found.names == tuple(map(program_name, PROGRAMS))


def both(term: int, index: int, acked: int) -> Facts:
    """Facts in which the ledger of this term and index has both anchors, and eu has acknowledged this mark."""
    mark = term << 32 | index
    signs = {"signs": OLD, "shown": OLD, "wanted": NEW}
    return Facts(anchor=OLD, next_anchor=NEW, mark=mark, members={"eu": acked}, programs={}, **signs)


LATE = {
    "the entry itself": (1 << 32 | 5, "seen"),
    "a later entry of its term": (1 << 32 | 9, "seen"),
    "the entry, in our own later term": (2 << 32 | 6, "seen"),
    "an entry before": (1 << 32 | 4, "prepare"),
    "nothing": (0, "prepare"),
    "an earlier term that went on": (9, "prepare"),
    "a later term than ours, which may have overruled it": (3 << 32 | 9, "prepare"),
}


@pytest.mark.parametrize("case", LATE)
def test_what_counts_as_an_acknowledgement_over_terms(case: str) -> None:
    acked, phase = LATE[case]
    begun = Rotation(phase="prepare", old=OLD, new=NEW, entry=1 << 32 | 5)
    found = step(begun, both(2, 7, acked))
    assert (found.phase if isinstance(found, Rotation) else "prepare") == phase


@pytest.mark.parametrize("phase", ["prepare", "seen"])
def test_an_entry_that_was_overruled_is_asked_for_and_waited_for_again(phase: str) -> None:
    begun = Rotation(phase=phase, old=OLD, new=NEW, entry=1 << 32 | 5)  # type: ignore[arg-type]
    gone = structs.replace(both(2, 7, 1 << 32 | 9), next_anchor="")
    found = step(begun, gone)
    assert isinstance(found, Rotation)
    assert found.phase == "prepare"
    again = structs.replace(found, entry=0)
    assert step(again, both(2, 8, 1 << 32 | 9)) == structs.replace(again, entry=2 << 32 | 8)

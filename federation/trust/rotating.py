"""The shell around the rotation of our anchor: gathers the facts, keeps the state, and carries each step out.

What is decided is durable before it is done: a controller that dies between the two does it when it comes back, and
every deed may be repeated.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from federation.model.errors import InputError, IsthmusError, Refused
from federation.model.ledger import Member
from federation.model.names import MemberName
from federation.model.record import Rotation as Wish
from federation.model.record import Seen
from federation.ports import Agents, LedgerSource, Peers, PeerState, Store
from federation.trust.anchor import key_id
from federation.trust.own_leaf import OwnLeaf
from federation.trust.rotation import (
    ABORTABLE,
    Done,
    Facts,
    Program,
    Rotation,
    Waits,
    member_name,
    program_name,
    step,
    wish,
)
from federation.trust.signer import Command, Held, command_signer

log = logging.getLogger("trust")
KEPT = "trust/rotation"
TICK = 0.5


@dataclass(frozen=True)
class Surroundings:
    """What the rotation works with. `programs` are those enrolled; `shared` where other controllers of this member have
    signers of their own.
    """

    own: MemberName
    ledger: LedgerSource
    peers: Peers
    agents: Agents
    programs: Callable[[], Iterable[str]]
    store: Store
    signer: Path
    leaf: OwnLeaf
    shared: bool = False


@dataclass(frozen=True)
class Told:
    """What the rest of the controller is told: our wish for the ledger, the key id of the anchor that leaves shall be
    of, and what status says.
    """

    wish: Wish | None
    issuer: str
    status: dict[str, Any]


class Rotating:
    """`moved` is called with what is new to tell."""

    def __init__(self, around: Surroundings, moved: Callable[[Told], None]) -> None:
        self._around = around
        self._moved = moved
        self._lock = asyncio.Lock()
        data = around.store.get(KEPT)
        self.now: Rotation | None = None if data is None else msgspec.msgpack.decode(data, type=Rotation)
        self._signs = ""
        self._known = self.now is not None
        self._waits: Waits | None = None
        self._problem = ""
        self._wish: Wish | None = None
        self.told = Told(None, self._issuer(), self._status())

    async def run(self) -> None:
        """Move on as soon as the facts allow it, until cancelled."""
        while True:
            async with self._lock:
                await self.once()
            await asyncio.sleep(TICK)

    async def once(self) -> None:
        """Every step that can be taken now. A signer or store that is away is a problem, told once."""
        try:
            await self._recover()
            while self.now is not None and await self._move(self.now):
                pass
            await self._make_wish()
            self._problem = ""
        except IsthmusError as error:
            if self._problem != str(error):
                log.warning("the rotation of the anchor cannot go on", extra={"code": error.code, "reason": error.text})
            self._problem = str(error)
        self._tell()

    async def begin(self, excluded: tuple[str, ...]) -> None:
        """Begin to rotate; while it is under way, stop waiting for these. InputError, Refused, Unavailable."""
        async with self._lock:
            names = tuple(map(self._named, excluded))
            if self.now is None:
                await self._start(names)
            elif not names:
                raise Refused(
                    f"the anchor is rotated already (phase {self.now.phase}); see `isthmus trust status`, "
                    "give --exclude NAME to wait no longer for one",
                    "E102",
                )
            else:
                await self._keep(structs.replace(self.now, excluded=tuple(sorted({*self.now.excluded, *names}))))
            if names:
                log.warning("the rotation of the anchor does not wait for all", extra={"excluded": names})
            await self.once()

    async def abort(self) -> None:
        """Go back to the old anchor alone. Refused (E102) when the new one signs already, or nothing is under way."""
        async with self._lock:
            if self.now is None:
                raise Refused("the anchor is not being rotated: nothing to abort", "E102")
            if self.now.phase not in ABORTABLE:
                raise Refused(
                    f"the rotation of the anchor is in phase {self.now.phase}: leaves of the new anchor are in use, "
                    "there is no way back; let it go on (`isthmus trust status` says what it waits for)",
                    "E102",
                )
            await self._keep(None)
            self._waits = None
            log.warning("the rotation of the anchor is aborted")
            await self._command(Command(do="abort"))
            await self.once()

    async def _start(self, excluded: tuple[str, ...]) -> None:
        own = self._own()
        if self._around.shared:
            raise Refused(
                "this member's controllers share a store in etcd and have a signer each, only one of which would "
                "have the new key; rotate the anchor with one controller on a store of its own",
                "E102",
            )
        if own.next_anchor:
            raise Refused(
                "the ledger still has the anchor of a rotation that was aborted: wait until it is gone", "E102"
            )
        held = await self._command(Command(do="prepare"))
        await self._keep(Rotation(phase="prepare", old=own.anchor, new=held.next_anchor, excluded=excluded))
        log.info(
            "the rotation of the anchor begins", extra={"old": key_id(own.anchor), "new": key_id(held.next_anchor)}
        )

    async def _recover(self) -> None:
        """Once after a start, where the store knows of no rotation: the signer's keys say whether one was under way."""
        if self._known:
            return
        held = await self._command(Command(do="tell"))
        if held.active:
            await self._keep(
                Rotation(phase="active", old=held.anchor, new=held.next_anchor, entry=self._around.ledger.ledger.mark)
            )
        elif held.next_anchor and self.now is None:
            await self._command(Command(do="abort"))
        self._known = True

    async def _move(self, now: Rotation) -> bool:
        """Take one step. False when it waits or is over."""
        if now.phase not in ABORTABLE:
            await self._show_new(now)
        found = step(now, self._facts(now))
        self._waits = found if isinstance(found, Waits) else None
        match found:
            case Done():
                await self._command(Command(do="finish", anchor=now.new))
                await self._keep(None)
                self._signs = ""
                log.info("the anchor is rotated", extra={"anchor": key_id(now.new), "excluded": now.excluded})
            case Rotation():
                log.info("the rotation of the anchor moves on", extra={"phase": found.phase, "entry": found.entry})
                await self._keep(found)
        return isinstance(found, Rotation)

    async def _show_new(self, now: Rotation) -> None:
        """Sign with the new key, and have the controller's own leaf of it."""
        wanted = key_id(now.new)
        if self._signs != wanted:
            await self._command(Command(do="activate", anchor=now.new))
            self._signs = wanted
        await self._around.leaf.renew_from(wanted)

    async def _make_wish(self) -> None:
        """What we ask of the ledger and prove, while it has something else."""
        own = self._own()
        wanted = self._wanted(own)
        if wanted == (own.anchor, own.next_anchor):
            self._wish = None
        elif self._wish is None or (self._wish.anchor, self._wish.next_anchor) != wanted:
            held = await self._command(Command(do="prove", anchor=wanted[0], next_anchor=wanted[1]))
            self._wish = Wish(anchor=wanted[0], next_anchor=wanted[1], by_anchor=held.by_anchor, by_next=held.by_next)

    def _wanted(self, own: Member) -> tuple[str, str]:
        if self.now is None:
            return own.anchor, ""
        return (own.anchor, own.next_anchor) if own.anchor == self.now.new else wish(self.now)

    def _facts(self, now: Rotation) -> Facts:
        around, own = self._around, self._own()
        states, ledger, peers = around.agents.states(), around.ledger.ledger, around.peers.states()
        programs = {}
        for name in around.programs():
            said = states[name].node if name in states else None
            programs[name] = Program() if said is None else Program(said.ledger, frozenset(said.issuers))
        return Facts(
            anchor=own.anchor,
            next_anchor=own.next_anchor,
            mark=ledger.mark,
            members={m.name: _seen(peers.get(m.name)).mark for m in ledger.active() if m.name != around.own},
            programs=programs,
            signs=self._signs,
            shown=around.leaf.issuer,
            wanted=key_id(now.new),
        )

    def _own(self) -> Member:
        return self._around.ledger.ledger.members[self._around.own]

    def _issuer(self) -> str:
        """Leaves of the old anchor are to be replaced from `taint` on."""
        own = self._own()
        return key_id(self.now.new if self.now and self.now.phase in ("taint", "revoke") else own.anchor)

    async def _keep(self, now: Rotation | None) -> None:
        """Unavailable when it is not durable: then nothing changed, nor does it by a later flush of somebody else."""
        self._stage(now)
        try:
            await self._around.store.flush()
        except IsthmusError:
            self._stage(self.now)
            raise
        self.now, self._known = now, True

    def _stage(self, now: Rotation | None) -> None:
        if now is None:
            self._around.store.drop(KEPT)
        else:
            self._around.store.put(KEPT, msgspec.msgpack.encode(now))

    async def _command(self, command: Command) -> Held:
        return await command_signer(self._around.signer, command)

    def _named(self, text: str) -> str:
        """`member/NAME` or `node/NAME` for NAME. InputError when there is none, or one of each."""
        members = (m.name for m in self._around.ledger.ledger.active() if m.name != self._around.own)
        known = [*map(member_name, members), *map(program_name, self._around.programs())]
        found = [one for one in known if text in (one, one.partition("/")[2])]
        if len(found) > 1:
            raise InputError(f'--exclude "{text}": is a member and a node; write {" or ".join(found)}', "E104")
        if not found:
            raise InputError(
                f'--exclude "{text}": no other member and no node of ours; known: {", ".join(sorted(known))}', "E104"
            )
        return found[0]

    def _tell(self) -> None:
        own, wish = self._own(), self._wish
        if wish is not None and (wish.anchor, wish.next_anchor) == (own.anchor, own.next_anchor):
            wish = None
        told = Told(wish, self._issuer(), self._status())
        if told != self.told:
            self.told = told
            self._moved(told)

    def _status(self) -> dict[str, Any]:
        own, now = self._own(), self.now
        told: dict[str, Any] = {"phase": now.phase if now else "idle", "anchor": key_id(own.anchor), "problems": []}
        if now is not None:
            told |= {
                "old": key_id(now.old),
                "new": key_id(now.new),
                "entry": now.entry & 0xFFFFFFFF,
                "excluded": list(now.excluded),
            }
            told["waits"] = [
                {"name": name, "why": self._why(name)} for name in (self._waits.names if self._waits else ())
            ]
            told["problems"] = [f"anchor rotation, phase {now.phase}: {self._waits}"] if self._waits else []
            told["problems"] += [f"anchor rotation does not wait for {name}: excluded" for name in now.excluded]
        elif own.next_anchor:
            told["problems"] = [
                "anchor rotation is aborted: the ledger still has the other anchor, until the registrar drops it"
            ]
        if self._problem:
            told["problems"].append(f"anchor rotation: {self._problem}")
        return told

    def _why(self, name: str) -> str:
        """What a person who looks at this one first should know."""
        assert self._waits is not None
        kind, _, bare = name.partition("/")
        if kind == "member":
            state = self._around.peers.states().get(MemberName(bare))
            behind = _seen(state).behind
            held_up = f"held up by its {', '.join(behind)}" if behind else self._waits.why
            return held_up if state is not None and state.connected else f"no session with it; {held_up}"
        if kind == "node":
            agent = self._around.agents.states().get(bare)
            return (
                self._waits.why if agent is not None and agent.connected else f"no session with it; {self._waits.why}"
            )
        return self._waits.why


def _seen(state: PeerState | None) -> Seen:
    said = None if state is None else state.view.get("seen")
    return said if isinstance(said, Seen) else Seen(0)

"""Keeps the bundles of foreign trust domains: each is looked at again when its hint says so, and never goes back."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from msgspec import Struct

from federation.lkg.disk import Disk
from federation.model.errors import InputError, IsthmusError
from federation.ports import Clock, ForeignState
from federation.trust.bundle import Bundle, check_successor, read_bundle
from federation.trust.foreign import Foreign, ForeignFolder, Held, wait_for

log = logging.getLogger("foreign")
PERIOD = 1.0
"""Seconds between two looks at the folder."""

Fetch = Callable[[Foreign, Bundle | None], Awaitable[bytes]]


class _Polled(Struct):
    """One trust domain: what is held of it, when it is due (monotonic seconds), and what was last wrong."""

    foreign: Foreign
    held: tuple[Held, Bundle] | None
    due: float
    problem: str = ""


class Poller:
    """Polls all that the folder names. `changed` is called with their states whenever one is another."""

    def __init__(
        self,
        folder: ForeignFolder,
        clock: Clock,
        fetch: Fetch,
        changed: Callable[[tuple[ForeignState, ...]], None],
        disk: Disk,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._fetch = fetch
        self._changed = changed
        self._disk = disk
        self._polled: dict[str, _Polled] = {}
        self._told: tuple[ForeignState, ...] = ()
        self._problem = ""

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            await self.step()
            await asyncio.sleep(PERIOD)

    async def step(self) -> None:
        """Take up what the folder says and look where it is due; one slow endpoint keeps no other waiting for long."""
        self._follow()
        now = self._clock.monotonic()
        self._tell()
        await asyncio.gather(*(self._look(one) for one in self._polled.values() if one.due <= now))
        self._tell()

    def _follow(self) -> None:
        try:
            wanted = self._folder.all()
        except InputError as error:
            if self._problem != str(error):
                log.error("foreign trust domains cannot be read", extra={"reason": str(error)})
            self._problem = str(error)
            return
        self._problem = ""
        for gone in self._polled.keys() - wanted.keys():
            self._disk.forget(_bundle_of(gone))
        self._polled = {
            name: one
            if (one := self._polled.get(name)) is not None and one.foreign == foreign
            else _Polled(foreign, self._folder.held(name), self._clock.monotonic())
            for name, foreign in wanted.items()
        }

    async def _look(self, one: _Polled) -> None:
        """A failure waits for the next interval as a success does (section 4.1.3)."""
        name, bundle = one.foreign.trust_domain, one.held[1] if one.held else None
        try:
            data = await self._fetch(one.foreign, bundle)
            new = read_bundle(data, name)
            check_successor(bundle, new)
            if self._folder.asks_for(one.foreign):
                one.held = held, _ = Held(data, int(self._clock.wall())), new
                self._disk.keep(_bundle_of(name), lambda: self._folder.keep(name, held))
            one.problem = ""
        except (IsthmusError, OSError) as error:
            _fail(one, str(error))
        except Exception as error:  # whatever a foreign endpoint answers must not end the controller
            _fail(one, f"{type(error).__name__}: {error}")
        one.due = self._clock.monotonic() + wait_for(one.held[1] if one.held else None)

    def _tell(self) -> None:
        states = tuple(_state(one) for one in self._polled.values())
        if states != self._told:
            self._told = states
            self._changed(states)


def _bundle_of(name: str) -> str:
    return f"the bundle of {name}"


def _fail(one: _Polled, reason: str) -> None:
    if one.problem != reason:
        log.warning("foreign bundle was not taken", extra={"trust_domain": one.foreign.trust_domain, "reason": reason})
    one.problem = reason


def _state(one: _Polled) -> ForeignState:
    held, bundle = one.held if one.held else (Held(b"", 0), Bundle(trust_domain=one.foreign.trust_domain))
    return ForeignState(
        trust_domain=one.foreign.trust_domain,
        url=one.foreign.url,
        profile=one.foreign.profile,
        anchors="".join(bundle.anchors),
        keys=bundle.keys,
        sequence=bundle.sequence,
        fetched=held.fetched,
        problem=one.problem,
    )

"""Drains and shifts for everybody's clients: entries of the ledger, made where the registrar is."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import structs

from federation.cli.look import ask
from federation.config import Folder
from federation.model.errors import InputError, Refused
from federation.model.moves import Leaving, Shift
from federation.model.names import MemberName, ServiceKey

if TYPE_CHECKING:
    from federation.model.ledger import Ledger, Settings

Change = Callable[["Ledger"], "Settings"]


def drain(state: Path, member: str, manner: dict[str, Any], prepare: Path | None) -> dict[str, Any]:
    """Drain this member for everybody. InputError, Refused (E102, E127)."""
    answer = _foreseen(state, "drain", {"member": member}, manner)
    if not manner["dry"]:
        began = Leaving(time.time_ns() // 1_000_000, manner["seconds"])
        _append(state, lambda ledger: _draining(ledger.settings, MemberName(member), began), prepare)
    return answer


def undrain(state: Path, member: str, prepare: Path | None) -> None:
    """End that. Refused (E102) when the ledger has no such drain."""

    def change(ledger: Ledger) -> Settings:
        if member not in ledger.settings.drains:
            raise Refused(f'member "{member}" is not drained in the ledger: nothing to undrain', "E102")
        left = {name: one for name, one in ledger.settings.drains.items() if name != member}
        return structs.replace(ledger.settings, drains=left)

    _append(state, change, prepare)


def shift(state: Path, body: dict[str, Any], manner: dict[str, Any], prepare: Path | None) -> dict[str, Any]:
    """Send a part of one member's requests to another, for everybody. InputError, Refused (E102, E127)."""
    from federation.model.names import parse_service

    answer = _foreseen(state, "shift", body, manner)
    if not manner["dry"]:
        made = Shift(
            service=parse_service(body["service"]),
            source=MemberName(body["source"]),
            to=MemberName(body["to"]),
            ppm=body["ppm"],
            since=time.time_ns() // 1_000_000,
            seconds=manner["seconds"],
        )
        _append(state, lambda ledger: _shifting(ledger.settings, made), prepare)
    return answer


def unshift(state: Path, service: ServiceKey, prepare: Path | None) -> list[str]:
    """End the ledger's shifts of this service. Refused (E102) when there are none."""
    ended: list[str] = []

    def change(ledger: Ledger) -> Settings:
        gone = [one for one in ledger.settings.shifts if one.service == service]
        if not gone:
            raise Refused(f'service "{service}" is not shifted in the ledger: nothing to end', "E102")
        ended[:] = [f"{one.source} to {one.to}" for one in gone]
        return structs.replace(ledger.settings, shifts=tuple(s for s in ledger.settings.shifts if s.service != service))

    _append(state, change, prepare)
    return ended


def _foreseen(state: Path, what: str, body: dict[str, Any], manner: dict[str, Any]) -> dict[str, Any]:
    """What the registrar's running controller says of it before it is begun. Refused (E127) by a freeze or a safety
    rule, unless it is forced with a reason.
    """
    if manner["force"] and not manner["reason"]:
        raise InputError("--force needs --reason: say why the safety rules shall not hold")
    answer = ask(Folder(state).api, f"/v1/{what}", "POST", body | {"manner": manner | {"dry": True, "everyone": True}})
    if answer["warnings"] and not (manner["dry"] or manner["force"]):
        raise Refused(answer["warnings"][0], "E127")
    return answer | {"dry_run": manner["dry"]}


def _draining(settings: Settings, member: MemberName, began: Leaving) -> Settings:
    held = settings.drains.get(member)
    if held is not None and began.seconds >= held.seconds:
        raise Refused(
            f'member "{member}" is drained in the ledger already, over {held.seconds} s: '
            "give a shorter --over to hasten it, or undrain it first",
            "E102",
        )
    leaving = began if held is None else Leaving(held.since, began.seconds)
    return structs.replace(settings, drains=settings.drains | {member: leaving})


def _shifting(settings: Settings, made: Shift) -> Settings:
    ends = (made.service, made.source, made.to)
    others = tuple(one for one in settings.shifts if (one.service, one.source, one.to) != ends)
    sent = sum(one.ppm for one in others if (one.service, one.source) == ends[:2])
    if sent + made.ppm > 1_000_000:
        raise Refused(
            f"shift of {made.service} from {made.source}: {sent / 10_000:g} % go elsewhere by the ledger, at most "
            f"{(1_000_000 - sent) / 10_000:g} % are left: end those with --off first",
            "E102",
        )
    return structs.replace(settings, shifts=(*others, made))


def _append(state: Path, change: Change, prepare: Path | None) -> None:
    from federation.cli.places import check_file
    from federation.registrar.register import Appender

    folder = Folder(state)
    own = folder.own()
    appender = Appender(folder.ledger, own.federation, own.name)
    if prepare is None:
        appender.append_settings(folder.registrar_key(), change)
        return
    check_file(prepare, "--prepare")
    prepare.write_bytes(appender.prepare_settings(change))

"""The options with which a program enrols itself: the same for node agents and DNS servers."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from federation.link.enroll import How
    from federation.model.handout import Role

_FILE = click.Path(path_type=Path)
_OPTIONS = (
    click.option("--enroll", multiple=True, metavar="ADDRESS:PORT", help="Enrol here, when --state has no identity."),
    click.option("--enroll-token", type=_FILE, help="Service account token with the audience isthmus."),
    click.option("--enroll-anchor", type=_FILE, help="Anchors (PEM) by which to know the controller."),
    click.option("--member", help="NAME.DOMAIN of the member to enrol in."),
    click.option("--controller", multiple=True, metavar="ADDRESS:PORT", help="A controller of it; may be repeated."),
)


def with_enrolling(role: Role | None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command these options; it is called with `how`, None where it does not enrol itself. Without a `role`
    there is an option for it.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def called(
            enroll: tuple[str, ...],
            enroll_token: Path | None,
            enroll_anchor: Path | None,
            member: str | None,
            controller: tuple[str, ...],
            **others: Any,
        ) -> None:
            from federation.link.enroll import parse_how
            from federation.model.errors import InputError

            wanted = role or others.pop("role")
            if wanted and not (role or enroll):
                raise InputError("--role is for --enroll ADDRESS:PORT, which is not given")
            command(how=parse_how(enroll, controller, enroll_token, enroll_anchor, member, wanted), **others)

        asked = (
            ()
            if role
            else (click.option("--role", type=click.Choice(["gateway", "node", "xds"]), help="With --enroll."),)
        )
        for option in reversed((*_OPTIONS, *asked)):
            called = option(called)
        return called

    return decorate


def enrolled_anew(state: Path, how: How | None) -> Callable[[], Awaitable[None]] | None:
    """Enrol where the folder has no identity that counts, however long that takes; gives what does it again, None where
    a program does not enrol itself.

    Ends the process on SIGTERM and SIGINT. InputError when the folder is another program's.
    """
    import asyncio

    from federation.link.enroll import Enroller
    from federation.process import until_stopped

    if how is None:
        return None
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    enroller = Enroller(state, how)
    asyncio.run(until_stopped([enroller.run()]))
    if not enroller.done:
        raise SystemExit(0)
    return enroller.once

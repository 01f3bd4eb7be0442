"""Drains and shifts in the ledger: what is appended, ended, prepared and refused; a controller's API over a real socket."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import web

from federation.api.moves import MoveRoutes
from federation.api.serve import listen_on
from federation.config import Folder
from federation.model.ledger import Settings
from federation.model.moves import Leaving, Shift
from federation.model.names import MemberName
from federation.reconcile.moving import Mover
from federation.registrar.ledger import read_entry
from tests.unit.reconcile.test_moves import US, WEB, eu_web
from tests.worlds.acme import Acme
from tests.worlds.command_line import said
from tests.worlds.controller import EU, World
from tests.worlds.registrar_folder import ledger_of, registrar_folder


class Registrar:
    """A registrar's folder with a controller over in-memory twins behind its socket."""

    def __init__(self, path: Path) -> None:
        self.world = World(path / "world")
        self.world.local("10.1.1.11")
        self.world.peer_says(*eu_web())
        self.world.step()
        self.folder: Folder = registrar_folder(path / "state", Acme())

    def run(self, *words: str) -> tuple[int, str, str]:
        return said(*words, "--federation", "--state", str(self.folder.path))

    @property
    def settings(self) -> Settings:
        return ledger_of(self.folder).settings


@contextmanager
def served(registrar: Registrar) -> Iterator[None]:
    loop, up, done = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        app = web.Application()
        MoveRoutes(Mover(registrar.world.loop)).add_to(app)
        runner = await listen_on(app, registrar.folder.api)
        up.set()
        await done.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert up.wait(10)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
        loop.close()


@pytest.fixture
def registrar(tmp_path: Path) -> Iterator[Registrar]:
    made = Registrar(tmp_path)
    with served(made):
        yield made


def test_a_drain_is_appended_hastened_and_ended(registrar: Registrar) -> None:
    status, out, _ = registrar.run("drain", EU, "--over", "10m")
    assert (status, out.splitlines()[0]) == (0, "eu-central is drained over 10m, in ten steps")
    began = registrar.settings.drains[EU]
    assert began.seconds == 600
    assert registrar.run("drain", EU, "--over", "1m")[0] == 0
    assert registrar.settings.drains == {EU: Leaving(began.since, 60)}
    assert registrar.run("drain", EU, "--over", "1h")[1:] == (
        "",
        'isthmus: E102 member "eu-central" is drained in the ledger already, over 60 s: give a shorter --over to hasten '
        "it, or undrain it first\n",
    )
    assert registrar.run("undrain", EU)[:2] == (0, "eu-central comes back\n")
    assert registrar.settings == Settings()
    assert registrar.run("undrain", EU)[2] == (
        'isthmus: E102 member "eu-central" is not drained in the ledger: nothing to undrain\n'
    )


def test_a_shift_is_appended_and_ended(registrar: Registrar) -> None:
    shift = ("shift", str(WEB), "--from", US, "--to", EU, "--percent")
    status, out, _ = registrar.run(*shift, "12.5")
    assert (status, out.splitlines()[0]) == (0, "12.5 % of shop/web at us-east go to eu-central at once")
    (made,) = registrar.settings.shifts
    assert made == Shift(service=WEB, source=US, to=EU, ppm=125_000, since=made.since)
    assert registrar.run(*shift, "20")[0] == 0
    assert [one.ppm for one in registrar.settings.shifts] == [200_000]
    assert registrar.run("shift", str(WEB), "--off")[:2] == (0, "ended for shop/web: us-east to eu-central\n")
    assert registrar.settings == Settings()
    assert registrar.run("shift", str(WEB), "--off")[2] == (
        'isthmus: E102 service "shop/web" is not shifted in the ledger: nothing to end\n'
    )


def test_a_dry_run_appends_nothing_and_an_entry_can_be_signed_elsewhere(registrar: Registrar, tmp_path: Path) -> None:
    before = registrar.folder.ledger_bytes()
    status, out, _ = registrar.run("drain", US, "--dry-run")
    assert status == 0 and "us-east would be drained at once" in out and "eu-central 100 %" in out
    status, out, _ = registrar.run("drain", US, "--prepare", str(tmp_path / "entry"))
    assert (status, out.splitlines()[0]) == (0, f"us-east would be drained at once: prepared in {tmp_path}/entry")
    entry = read_entry((tmp_path / "entry").read_bytes())
    assert entry.settings is not None and list(entry.settings.drains) == [US]
    assert registrar.folder.ledger_bytes() == before


def test_safety_rules_and_a_freeze_hold_for_the_ledger_too(registrar: Registrar) -> None:
    registrar.world.peer_says(*eu_web(ready=0))
    registrar.world.step()
    assert registrar.run("drain", US)[2].startswith(
        'isthmus: E127 safety rule "min-one-on": draining us-east leaves 0 of 2'
    )
    assert registrar.run("drain", US, "--force", "--reason", "fire")[0] == 0
    registrar.world.loop.moves.freeze("release day")
    assert registrar.run("drain", EU)[2] == 'isthmus: E127 moves are frozen: "release day"\n'
    assert list(registrar.settings.drains) == [US]


def test_what_is_refused_before_anybody_is_asked(registrar: Registrar) -> None:
    assert said("drain", US, "--federation", "--api", "x")[2] == (
        "isthmus: --federation needs the registrar's --state, and no --api See `isthmus drain --help`.\n"
    )
    assert said("drain", US, "--api", "x", "--prepare", "y")[2] == (
        "isthmus: --prepare is for --federation: only entries of the ledger are signed See `isthmus drain --help`.\n"
    )


def test_without_a_controller_nobody_says_whether_it_is_safe(tmp_path: Path) -> None:
    made = Registrar(tmp_path)
    status, _, told = made.run("drain", EU)
    assert status == 2 and told.startswith("isthmus: E190 ") and "no controller answers" in told
    assert made.settings == Settings()


def test_only_a_dry_run_is_for_everyone(registrar: Registrar) -> None:
    from federation.cli.look import ask
    from federation.model.errors import InputError

    with pytest.raises(InputError, match="only a dry run is answered here"):
        ask(registrar.folder.api, "/v1/drain", "POST", {"member": EU, "manner": {"everyone": True}})
    assert MemberName(EU) not in registrar.world.loop.moves.orders

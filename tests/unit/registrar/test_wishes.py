"""What the registrar's controller makes of wishes in records that others wrote."""

import ssl
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from federation.config import Folder
from federation.model.ledger import Ledger, Member
from federation.model.names import MemberName
from federation.model.record import Rotation
from federation.registrar.rotate import rotated as really_rotated
from federation.registrar.wishes import Wishes
from federation.trust.anchor import make_anchor
from federation.trust.slots import Slot, _signed, proof_text
from tests.worlds.acme import DOMAIN, NOW, Acme
from tests.worlds.odd_certificates import ODD
from tests.worlds.registrar_folder import ledger_of, registrar_folder

US, EU = MemberName("us-east"), MemberName("eu-central")


def wish(acme: Acme, name: MemberName, following: Slot | None) -> Rotation:
    """What an honest member asks: both anchors; None takes it back."""
    keys, text = acme.keys[name], following.anchor if following else ""
    old, said = Slot(keys.anchor_key, keys.anchor), proof_text(f"{name}.{DOMAIN}", keys.anchor, text)
    by_next = _signed(following, said) if following else b""
    return Rotation(anchor=old.anchor, next_anchor=text, by_anchor=_signed(old, said), by_next=by_next)


def fresh(name: str) -> Slot:
    return Slot(*make_anchor(f"{name}.{DOMAIN}", NOW))


@pytest.mark.parametrize("kind", ODD)
def test_an_anchor_that_cannot_be_read_is_refused_and_holds_up_nobody(kind: str, tmp_path: Path) -> None:
    der, why = ODD[kind]
    acme = Acme()
    folder = registrar_folder(tmp_path, acme)
    bad = Rotation(anchor=acme.member(EU).anchor, next_anchor=ssl.DER_cert_to_PEM_cert(der))
    wishes, new = Wishes(folder), fresh(US)
    assert wishes.grant(acme.ledger, {EU: bad, US: wish(acme, US, new)}, {}, NOW)
    assert wishes.refused[EU].startswith(f"E107 anchor of member eu-central cannot be read: {why}")
    assert "\n" not in wishes.refused[EU]
    assert ledger_of(folder).members[US].next_anchor == new.anchor


def alternate(acme: Acme, folder: Folder, wishes: Wishes, now: datetime, name: MemberName = EU) -> str:
    """Begin a rotation, and take it back when it is granted. Why it was refused."""
    wishes.grant(ledger_of(folder), {name: wish(acme, name, fresh(name))}, {}, now)
    refused = wishes.refused.get(name, "")
    if not refused:
        assert wishes.grant(ledger_of(folder), {name: wish(acme, name, None)}, {}, now)
    return refused


def test_who_begins_and_gives_up_again_and_again_is_paced_over_restarts(tmp_path: Path) -> None:
    acme = Acme()
    folder = registrar_folder(tmp_path, acme)
    text = (
        'E102 member "eu-central" began 3 rotations of its anchor since 2026-11-21T12:00Z, limit 3 in 3 h; the next is '
        "granted after 2026-11-21T15:00Z"
    )
    for minute in range(3):
        assert alternate(acme, folder, Wishes(folder), NOW + timedelta(minutes=minute)) == ""
    entries = ledger_of(folder).index
    for minute in range(3, 180):
        assert alternate(acme, folder, Wishes(folder), NOW + timedelta(minutes=minute)) == text
    assert ledger_of(folder).index == entries
    assert alternate(acme, folder, Wishes(folder), NOW + timedelta(minutes=5), US) == ""
    assert alternate(acme, folder, Wishes(folder), NOW + timedelta(hours=3)) == ""


def test_a_rotation_that_began_goes_on_and_back_at_any_pace_and_a_clock_set_back_stops_nobody(tmp_path: Path) -> None:
    acme = Acme()
    folder = registrar_folder(tmp_path, acme)
    wishes = Wishes(folder)
    for _ in range(3):
        assert alternate(acme, folder, wishes, NOW + timedelta(days=400)) == ""
    assert alternate(acme, folder, wishes, NOW) == ""


def test_what_nobody_foresaw_of_one_wish_is_its_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    acme = Acme()
    folder = registrar_folder(tmp_path, acme)

    def rotated(ledger: Ledger, name: str, *rest: Any) -> Member:
        if name == EU:
            raise RuntimeError("not foreseen")
        return really_rotated(ledger, name, *rest)

    monkeypatch.setattr("federation.registrar.wishes.rotated", rotated)
    wishes, new = Wishes(folder), fresh(US)
    assert wishes.grant(acme.ledger, {EU: wish(acme, EU, fresh(EU)), US: wish(acme, US, new)}, {}, NOW)
    assert wishes.refused == {EU: "RuntimeError: not foreseen"}
    assert ledger_of(folder).members[US].next_anchor == new.anchor

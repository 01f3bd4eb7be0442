"""What the registrar's controller makes of wishes in records that others wrote."""

import ssl
from pathlib import Path
from typing import Any

import pytest

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

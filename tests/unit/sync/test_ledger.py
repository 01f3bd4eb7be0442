"""The ledger as it is taken from a session: entry by entry, only ever longer."""

from pathlib import Path

import pytest
from msgspec import structs

from federation.model.errors import Refused
from federation.registrar.ledger import SignedLedger, encode_ledger, next_entry, with_entry
from federation.session.tree import compare
from federation.sync.ledger import HeldLedger, ledger_tree
from tests.worlds.acme import DOMAIN, Acme, Keys


def held(acme: Acme, folder: Path) -> HeldLedger:
    path = folder / "ledger"
    path.write_bytes(encode_ledger(acme.signed))
    return HeldLedger(path, acme.fingerprint)


def grown() -> tuple[Acme, SignedLedger]:
    """A federation with a third member, and its ledger from before."""
    acme = Acme()
    before = acme.signed
    acme.admit(Keys("ap-south", "10.3.0.0/16"))
    return acme, before


def test_one_more_entry_costs_one_key_on_the_wire() -> None:
    acme, before = grown()
    assert list(compare(ledger_tree(before), ledger_tree(acme.signed)).changed) == ["entry/3"]


def test_a_longer_ledger_is_taken_and_kept(tmp_path: Path) -> None:
    acme, before = grown()
    longer, acme.signed = acme.signed, before
    ours = held(acme, tmp_path)
    assert ours.extend(ledger_tree(longer))
    assert sorted(ours.ledger.members) == ["ap-south", "eu-central", "us-east"]
    assert HeldLedger(tmp_path / "ledger", acme.fingerprint).ledger == ours.ledger
    assert ours.tree.root == ledger_tree(longer).root


def test_an_older_part_of_ours_changes_nothing(tmp_path: Path) -> None:
    acme, before = grown()
    ours = held(acme, tmp_path)
    assert not ours.extend(ledger_tree(before))
    assert ours.ledger.index == 3


def rival(acme: Acme, signed: SignedLedger, term: int) -> SignedLedger:
    """A ledger whose second entry is another than ours, in this term."""
    first = SignedLedger(signed.key, signed.entries[:1])
    us = acme.member("us-east")
    other = structs.replace(us, region="elsewhere")
    registrar = "us-east" if term > 1 else ""
    return with_entry(first, acme.key.sign(next_entry(first, other, DOMAIN, term, registrar)))


def test_of_two_registrars_at_once_the_later_term_stands_and_what_it_overrules_is_said(tmp_path: Path) -> None:
    acme, before = grown()
    ours = held(acme, tmp_path)
    assert ours.extend(ledger_tree(rival(acme, before, 2)))
    assert (ours.ledger.term, ours.ledger.index, sorted(ours.ledger.members)) == (2, 2, ["us-east"])
    again = 'overruled by term 2; if it still matters, do it again at the registrar "us-east"'
    assert ours.problems == (
        f'ledger entry 2 of term 1 about member "eu-central" (active) was {again}',
        f'ledger entry 3 of term 1 about member "ap-south" (active) was {again}',
    )
    assert HeldLedger(tmp_path / "ledger", acme.fingerprint).ledger == ours.ledger
    with pytest.raises(Refused) as caught:
        ours.extend(ledger_tree(acme.signed))
    assert str(caught.value) == "E109 ledger of 3 entries does not continue ours of term 2, index 2"


def test_a_ledger_that_the_disk_did_not_take_is_written_when_it_does(tmp_path: Path) -> None:
    acme, before = grown()
    longer, acme.signed = acme.signed, before
    ours = held(acme, tmp_path)
    (tmp_path / "ledger.new").mkdir()
    assert ours.extend(ledger_tree(longer))
    assert ours.problems[0].startswith("the ledger is not on disk: Is a directory")
    (tmp_path / "ledger.new").rmdir()
    assert not ours.reload()
    assert ours.problems == ()
    assert HeldLedger(tmp_path / "ledger", acme.fingerprint).ledger.index == 3


def test_a_lower_term_overrules_nothing_however_early_it_begins(tmp_path: Path) -> None:
    acme, before = grown()
    us = acme.member("us-east")
    later = with_entry(before, acme.key.sign(next_entry(before, us, DOMAIN, 3, "eu-central")))
    ours = held(acme, tmp_path)
    assert ours.extend(ledger_tree(later))
    with pytest.raises(Refused) as caught:
        ours.extend(ledger_tree(rival(acme, before, 2)))
    assert str(caught.value) == "E109 ledger of 2 entries does not continue ours of term 3, index 3"
    assert ours.ledger.term == 3


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        ("fork", "E109 ledger of 2 entries does not continue ours of term 1, index 2"),
        ("key", "E109 ledger of 2 entries does not continue ours of term 1, index 2"),
        ("gap", "E109 ledger of 3 entries does not continue ours of term 1, index 2"),
        ("signature", "E105 ledger entry 3: the signature is not the federation's"),
        ("form", "E120 ledger entry/3 (4 bytes) cannot be read: Object missing required field `body`"),
    ],
)
def test_another_ledger_is_refused_and_ours_stays(tmp_path: Path, spoil: str, text: str) -> None:
    acme, before = grown()
    third = ledger_tree(acme.signed).get("entry/3")
    assert third is not None
    acme.signed = before
    ours = held(acme, tmp_path)
    tree = ledger_tree(before)
    match spoil:
        case "fork":
            tree = ledger_tree(rival(acme, before, 1))
        case "key":
            tree = tree.put("key", bytes(32))
        case "gap":
            tree = tree.put("entry/4", third)
        case "signature":
            tree = tree.put("entry/3", third[:-1] + bytes([third[-1] ^ 1]))
        case "form":
            tree = tree.put("entry/3", b"\x81\xa1a\x01")
    with pytest.raises(Refused) as caught:
        ours.extend(tree)
    assert str(caught.value) == text
    assert ours.ledger.index == 2

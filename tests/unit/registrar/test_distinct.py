"""Nobody joins with an anchor like another's, and nobody comes back with a key that his name ever had."""

from collections.abc import Callable

import pytest
from msgspec import structs

from federation.model.errors import Refused
from federation.model.ledger import Member
from federation.registrar.admit import admit, read_request
from federation.registrar.ledger import append
from federation.trust.anchor import make_anchor
from tests.worlds.acme import DOMAIN, NOW, Acme, Keys
from tests.worlds.alike import alike

ALIKE: dict[str, Callable[[Keys, Member], None]] = {
    "subject": lambda keys, of: bear(keys, alike(keys.anchor_key, keys.anchor, subject_of=of.anchor)),
    "key id": lambda keys, of: bear(keys, alike(keys.anchor_key, keys.anchor, key_id_of=of.anchor)),
    "subject of the one that follows": lambda keys, of: bear(
        keys, alike(keys.anchor_key, keys.anchor, subject_of=of.next_anchor)
    ),
}


def bear(keys: Keys, anchor: str) -> None:
    keys.anchor = anchor
    keys.applicant = structs.replace(keys.applicant, anchor=anchor)


def entry(acme: Acme, member: Member) -> None:
    acme.signed = append(acme.signed, member, DOMAIN, 1, acme.key)


def refusal(acme: Acme, keys: Keys, rejoin: bool = False) -> str:
    with pytest.raises(Refused) as caught:
        admit(acme.ledger, read_request(keys.request()), NOW, rejoin=rejoin)
    return str(caught.value)


@pytest.mark.parametrize("case", ALIKE)
def test_an_anchor_like_anothers_is_refused(case: str) -> None:
    acme, keys = Acme(), Keys("ap-south", "10.3.0.0/16")
    _, following = make_anchor(f"us-east.{DOMAIN}", NOW)
    entry(acme, structs.replace(acme.member("us-east"), next_anchor=following))
    ALIKE[case](keys, acme.member("us-east"))
    assert refusal(acme, keys) == (
        'E107 new anchor of member "ap-south" has the subject, key id or public key of one of member "us-east"'
    )


def test_an_anchor_over_anothers_key_is_refused() -> None:
    acme, keys = Acme(), Keys("ap-south", "10.3.0.0/16")
    keys.anchor_key = acme.keys["us-east"].anchor_key
    bear(keys, alike(keys.anchor_key, keys.anchor, subject_of=keys.anchor))
    assert refusal(acme, keys) == (
        'E107 new anchor of member "ap-south" has the subject, key id or public key of one of member "us-east"'
    )


CAME_BACK = 'E102 cluster "eu-central" is revoked and comes back with a key it had; make new ones'


@pytest.mark.parametrize("then", ["first", "rotated to and away from", "last"])
def test_who_comes_back_brings_a_key_that_no_entry_of_the_name_had(then: str) -> None:
    """eu-central's anchor was rotated twice before it was revoked; the key comes in another certificate."""
    acme = Acme()
    keys = {"first": acme.keys["eu-central"].anchor_key}
    for step in ("rotated to and away from", "last"):
        keys[step], anchor = make_anchor(f"eu-central.{DOMAIN}", NOW)
        entry(acme, structs.replace(acme.member("eu-central"), next_anchor=anchor))
        entry(acme, structs.replace(acme.member("eu-central"), anchor=anchor, next_anchor=""))
    entry(acme, structs.replace(acme.member("eu-central"), state="revoked"))
    back = Keys("eu-central", "10.2.0.0/16")
    assert admit(acme.ledger, read_request(back.request()), NOW, rejoin=True).number == 3
    back.anchor_key = keys[then]
    bear(back, alike(back.anchor_key, back.anchor, subject_of=back.anchor))
    assert refusal(acme, back, rejoin=True) == CAME_BACK


def test_a_record_key_of_before_the_last_time_is_refused() -> None:
    acme = Acme()
    first = acme.keys["eu-central"]
    for _ in range(2):
        entry(acme, structs.replace(acme.member("eu-central"), state="revoked"))
        back = Keys("eu-central", "10.2.0.0/16")
        entry(acme, admit(acme.ledger, read_request(back.request()), NOW, rejoin=True))
    entry(acme, structs.replace(acme.member("eu-central"), state="revoked"))
    back = Keys("eu-central", "10.2.0.0/16")
    back.record_pem = first.record_pem
    back.applicant = structs.replace(back.applicant, record_key=first.applicant.record_key)
    assert refusal(acme, back, rejoin=True) == CAME_BACK

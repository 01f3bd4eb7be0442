"""Changes of admitted members and revocation: what is appended, and the exact words for what is not."""

from collections.abc import Callable

import pytest
from msgspec import structs

from federation.model.errors import IsthmusError
from federation.model.ledger import Ledger, Member, Quota
from federation.model.names import MemberName
from federation.registrar.change import Change, changed, left, parse_quota, revoked
from federation.registrar.ledger import append, read_ledger
from tests.worlds.acme import DOMAIN, Acme


@pytest.fixture(scope="module")
def acme() -> Acme:
    return Acme()


def appended(acme: Acme, member: Member) -> Ledger:
    return read_ledger(append(acme.signed, member, DOMAIN, 1, acme.key), acme.fingerprint)


def test_a_revoked_member_is_in_the_ledger_and_no_longer_active(acme: Acme) -> None:
    after = appended(acme, revoked(acme.ledger, "eu-central", "us-east"))
    assert [member.name for member in after.active()] == ["us-east"]
    assert after.members.keys() == acme.ledger.members.keys()
    assert after.index == acme.ledger.index + 1


def test_only_what_is_named_changes(acme: Acme) -> None:
    change = Change(
        dns_zones=("example.test",), quota=dict([parse_quota("endpoints=5"), parse_quota("changes-per-second=9")])
    )
    after = changed(acme.ledger, "eu-central", change)
    expected = structs.replace(
        acme.member("eu-central"), dns_zones=("example.test",), quota=Quota(endpoints=5, changes_per_second=9)
    )
    assert after == expected
    assert appended(acme, after).members[after.name] == expected


def test_a_member_that_left_is_in_the_ledger_and_others_work_with_it_no_more(acme: Acme) -> None:
    after = appended(acme, left(acme.ledger, "eu-central", "us-east"))
    us, eu = after.members[MemberName("us-east")], after.members[MemberName("eu-central")]
    assert (us.state, eu.state) == ("active", "left")
    assert (after.active(), after.seen_from(us.name), after.seen_from(eu.name)) == ((us,), (us,), (eu,))


def gone(acme: Acme) -> Ledger:
    return appended(acme, revoked(acme.ledger, "eu-central", "us-east"))


def departed(acme: Acme) -> Ledger:
    return appended(acme, left(acme.ledger, "eu-central", "us-east"))


BAD: dict[str, tuple[Callable[[Acme], object], str]] = {
    "revoke nobody": (
        lambda acme: revoked(acme.ledger, "eu-centrall", "us-east"),
        'E104 member "eu-centrall": is not in the ledger; known: eu-central, us-east',
    ),
    "revoke oneself": (
        lambda acme: revoked(acme.ledger, "us-east", "us-east"),
        'E102 member "us-east" is the registrar and cannot revoke itself',
    ),
    "revoke twice": (
        lambda acme: revoked(gone(acme), "eu-central", "us-east"),
        'E102 member "eu-central" is revoked already',
    ),
    "change a revoked one": (
        lambda acme: changed(gone(acme), "eu-central", Change(namespaces=("shop",))),
        'E102 member "eu-central" is revoked already',
    ),
    "leave as the registrar": (
        lambda acme: left(acme.ledger, "us-east", "us-east"),
        'E102 member "us-east" is the registrar and cannot leave; first run `isthmus registrar move --to NAME`',
    ),
    "leave twice": (
        lambda acme: left(departed(acme), "eu-central", "us-east"),
        'E102 member "eu-central" has left already',
    ),
    "leave when revoked": (
        lambda acme: left(gone(acme), "eu-central", "us-east"),
        'E102 member "eu-central" is revoked already',
    ),
    "revoke one that left": (
        lambda acme: revoked(departed(acme), "eu-central", "us-east"),
        'E102 member "eu-central" has left already',
    ),
    "let nobody go": (
        lambda acme: left(acme.ledger, "eu-centrall", "us-east"),
        'E104 member "eu-centrall": is not in the ledger; known: eu-central, us-east',
    ),
    "change nothing": (
        lambda acme: changed(acme.ledger, "eu-central", Change()),
        'E125 member "eu-central" is so already: nothing to change',
    ),
    "another's range": (
        lambda acme: changed(acme.ledger, "eu-central", Change(ingress=("10.1.0.9",))),
        'E101 ingress "10.1.0.9" of member "eu-central" belongs to member "us-east"',
    ),
    "no namespace": (
        lambda acme: changed(acme.ledger, "eu-central", Change(namespaces=("Shop",))),
        'E114 --namespace "Shop": must be a DNS label (1 to 63 of a-z, 0-9 and inner "-")',
    ),
    "no such limit": (
        lambda acme: parse_quota("endpoint=5"),
        'E118 --quota "endpoint=5": no such limit, did you mean "endpoints"?; known: services, ports, endpoints, '
        "gateways, names, probes_per_second, evidence, rates, bytes, changes_per_second",
    ),
    "no count": (
        lambda acme: parse_quota("endpoints"),
        'E118 --quota "endpoints": write it as endpoints=COUNT, COUNT from 0 to 10000000',
    ),
    "a count too high": (
        lambda acme: parse_quota("endpoints=10000001"),
        'E118 --quota "endpoints=10000001": write it as endpoints=COUNT, COUNT from 0 to 10000000',
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_changed_is_one_line(acme: Acme, case: str) -> None:
    attempt, text = BAD[case]
    with pytest.raises(IsthmusError) as caught:
        attempt(acme)
    assert str(caught.value) == text

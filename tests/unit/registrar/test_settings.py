"""What the ledger asks of steering for all members: written, shown, signed elsewhere, refused, read by the old."""

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from federation.cli.ledger import ledger as command
from federation.model.errors import InputError, Refused
from federation.model.ledger import Entry, Member, Settings
from federation.model.moves import Leaving
from federation.model.names import MemberName
from federation.model.policy import Ramp
from federation.model.record import Signed
from federation.model.wish import Wish
from federation.registrar.ledger import decode_ledger
from federation.registrar.register import Appender
from federation.registrar.signing import LEDGER, SigningKey
from tests.worlds.acme import Acme
from tests.worlds.registrar_folder import ledger_of, registrar_folder

HEAD = "apiVersion: isthmus.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: federation}\nspec:\n"
GOOD = HEAD + "  residency: [us-east, eu-central]\n  return: {percent: 20, seconds: 5}\n"
WISH = Wish(residency=("us-east", "eu-central"), ramp=Ramp(20, 5))


class Desk:
    """Where the registrar's administrator types."""

    def __init__(self, path: Path) -> None:
        self.path, self.acme = path, Acme()
        self.folder = registrar_folder(path / "state", self.acme)

    def run(self, *arguments: str, text: str = GOOD) -> str:
        file = self.path / "policy.yaml"
        file.write_text(text)
        done = CliRunner().invoke(
            command,
            [one.replace("FILE", str(file)) for one in arguments],
            catch_exceptions=False,
            standalone_mode=False,
        )
        return done.output

    def policy(self, *arguments: str, text: str = GOOD) -> str:
        return self.run("policy", "--state", str(self.folder.path), *arguments, text=text)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_policy_is_appended_and_shown_and_members_stay_as_they_are(desk: Desk) -> None:
    before = ledger_of(desk.folder)
    desk.policy("FILE")
    after = ledger_of(desk.folder)
    assert (after.settings.policy, after.members, after.index) == (WISH, before.members, before.index + 1)
    assert json.loads(desk.policy()) == {
        "residency": ["us-east", "eu-central"],
        "ramp": {"percent": 20, "seconds": 5},
    }


def test_drains_of_the_ledger_stay_when_the_policy_changes(desk: Desk) -> None:
    drains = {MemberName("eu-central"): Leaving(1_000)}
    appender = Appender(desk.folder.ledger, desk.acme.fingerprint, "us-east")
    appender.append_settings(desk.acme.key_pem, lambda held: Settings(drains=drains))
    desk.policy("FILE")
    assert ledger_of(desk.folder).settings == Settings(policy=WISH, drains=drains)


def test_the_policy_of_a_federation_whose_key_is_elsewhere(desk: Desk) -> None:
    out, signed = desk.path / "entry", desk.path / "signed"
    desk.policy("FILE", "--prepare", str(out))
    assert ledger_of(desk.folder).settings == Settings()
    desk.folder.federation_key.rename(desk.path / "federation.key")
    key = str(desk.path / "federation.key")
    shown = desk.run("sign", "--key", key, "--entry", str(out), "--out", str(signed), "--yes")
    assert json.loads(shown)["settings"]["policy"]["residency"] == ["us-east", "eu-central"]
    desk.run("import", "--state", str(desk.folder.path), "--signed", str(signed))
    assert ledger_of(desk.folder).settings.policy == WISH


class OldEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An Entry as it was before settings."""

    index: int
    term: int
    domain: str
    previous: bytes
    member: Member
    registrar: str = ""


def test_an_old_reader_reads_the_registrar_once_more(desk: Desk) -> None:
    before = ledger_of(desk.folder)
    desk.policy("FILE")
    body = decode_ledger(desk.folder.ledger_bytes()).entries[-1].body
    old = msgspec.msgpack.decode(body, type=OldEntry)
    assert (old.member, old.registrar) == (before.members[MemberName("us-east")], "")


def test_an_entry_of_before_has_no_settings() -> None:
    member = Acme().member("us-east")
    old = OldEntry(index=1, term=1, domain="acme.mesh", previous=b"", member=member)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(old), type=Entry).settings is None


def test_settings_that_another_key_signed_are_refused(desk: Desk) -> None:
    appender = Appender(desk.folder.ledger, desk.acme.fingerprint, "us-east")
    body = appender.prepare_settings(lambda held: Settings(policy=WISH))
    forged = SigningKey(Acme().key_pem, LEDGER).sign(body)
    with pytest.raises(Refused) as refused:
        appender.put(Signed(body, forged.signature))
    assert str(refused.value) == "E105 ledger entry 3: the signature is not the federation's"


BAD = {
    HEAD + "  order: [us-eest]\n": (
        'field "spec.order": no member is in region "us-eest"; known: eu-central, us-east (did you mean "us-east"?)'
    ),
    HEAD + "  canary: {to: member/mars, percent: 1}\n": (
        'field "spec.canary.to": there is no member "mars"; known: eu-central, us-east'
    ),
    HEAD + "  residency: [mars]\n": 'field "spec.residency": no member is in region "mars"; known: eu-central, us-east',
    HEAD + "  minShare: {us-east: 60, eu-central: 41}\n": 'field "spec.minShare": 101 per cent in all, at most 100',
    HEAD + "  target: Namespace\n": 'field "spec.target": the policy is for all namespaces; remove it',
    HEAD + "  panic: {action: fallback, fallback: sorry}\n": 'field "spec.panic.action": fallback is for one service',
    GOOD + "---\n" + GOOD: "must hold one TrafficPolicy and nothing else",
    "apiVersion: isthmus.dev/v1alpha1\nkind: Drain\nmetadata: {name: a}\n": (
        "must hold one TrafficPolicy and nothing else"
    ),
    HEAD + "  tresh: 5\n": 'unknown field "spec.tresh", did you mean "spec.threshold"?',
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_policy_is_refused_and_nothing_is_appended(desk: Desk, text: str) -> None:
    before = desk.folder.ledger_bytes()
    with pytest.raises(InputError) as refused:
        desk.policy("FILE", text=text)
    assert refused.value.text.startswith(f"{desk.path / 'policy.yaml'}:")
    assert refused.value.text.endswith(f": {BAD[text]}")
    assert desk.folder.ledger_bytes() == before


def test_the_same_policy_again_is_no_change(desk: Desk) -> None:
    desk.policy("FILE")
    with pytest.raises(InputError, match="the ledger has these settings already: nothing to change"):
        desk.policy("FILE")


def test_who_is_not_the_registrar_appends_nothing(desk: Desk) -> None:
    appender = Appender(desk.folder.ledger, desk.acme.fingerprint, "eu-central")
    with pytest.raises(Refused, match='member "eu-central" is not the registrar'):
        appender.append_settings(desk.acme.key_pem, lambda held: Settings(policy=WISH))

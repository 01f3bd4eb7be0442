"""What a server says of itself when asked: NSID, cookies, keepalive, the zone's version, class CHAOS."""

from pathlib import Path

import dns.edns
import dns.message
import dns.rcode
import pytest
from gslb import cookies
from gslb.client import Client
from gslb.cookie_secrets import CookieSecrets
from gslb.master import load_zone
from gslb.options import COOKIE, KEEPALIVE, NSID, ZONEVERSION, Itself
from gslb.steer import Steering
from gslb.table import Table
from gslb.wire import respond

from federation.model.errors import InputError
from tests.worlds.command_line import said

ZONE = load_zone("$ORIGIN example.com.\n$TTL 9\n@ SOA a b 77 2 3 4 5\n@ NS a\na A 192.0.2.1\nsub NS b.net.\n", "z")
SERVER = Steering(Table({"example.com": ZONE}, 0), {})
SECRET = bytes.fromhex("e5e973e5a6b2a43f48e7dc849e37bfcf")
ITSELF = Itself("ams-1", (SECRET,))
ADDRESS, NOW = "198.51.100.100", 1_559_731_985
CLIENT = bytes.fromhex("2464c4abcf10c957")
MADE = bytes.fromhex("010000005cf79f111f8130c3eee29480")
"""RFC 9018 appendix A.1."""

Told = list[tuple[int, bytes]]


def ask(*options: tuple[int, bytes], tcp: bool = False, now: int = NOW, itself: Itself = ITSELF, name: str = "a.example.com", kind: str = "A", rdclass: str = "IN") -> dns.message.Message:  # fmt: skip
    given = [dns.edns.GenericOption(dns.edns.OptionType.make(code), data) for code, data in options]
    query = dns.message.make_query(name, kind, rdclass, use_edns=0, options=given)  # type: ignore[arg-type]
    reply = respond(SERVER, query.to_wire(), Client(ADDRESS), tcp, now * 1_000, itself)
    assert reply is not None
    return dns.message.from_wire(reply.data)


def told(response: dns.message.Message) -> Told:
    return [(int(one.otype), one.to_wire() or b"") for one in response.options]


def test_cookies_are_those_of_other_servers() -> None:
    """RFC 9018 appendix A: a first one, one that is renewed, one of a secret of before."""
    assert told(ask((COOKIE, CLIENT))) == [(COOKIE, CLIENT + MADE)]
    later = bytes.fromhex("010000005cf7a871d4a564a1442aca77")
    assert told(ask((COOKIE, CLIENT + MADE), now=1_559_734_385)) == [(COOKIE, CLIENT + later)]
    assert told(ask((COOKIE, CLIENT + MADE), now=NOW + 1_700)) == [(COOKIE, CLIENT + MADE)]
    new = Itself("", (bytes(16), SECRET))
    assert told(ask((COOKIE, CLIENT + MADE), itself=new)) == [(COOKIE, CLIENT + MADE)]
    ((_, other),) = told(ask((COOKIE, CLIENT + MADE), itself=Itself("", (bytes(16),))))
    assert other[:8] == CLIENT and other[8:] != MADE
    ((_, other),) = told(ask((COOKIE, CLIENT + MADE), now=NOW - 400))
    assert other[8:] != MADE
    assert told(ask((COOKIE, CLIENT), itself=Itself())) == []


def test_a_cookie_for_an_ipv6_client_and_for_another_address_is_another() -> None:
    made = {cookies.answered(CLIENT, at, NOW, (SECRET,)) for at in (ADDRESS, "198.51.100.101", "2001:db8::1")}
    assert len(made) == 3


def test_who_asks_for_a_cookie_alone_gets_it() -> None:
    query = dns.message.Message(7)
    query.use_edns(0, options=[dns.edns.GenericOption(dns.edns.OptionType.COOKIE, CLIENT)])
    reply = respond(SERVER, query.to_wire(), Client(ADDRESS), False, NOW * 1_000, ITSELF)
    assert reply is not None
    response = dns.message.from_wire(reply.data)
    assert (response.rcode(), response.question, told(response)) == (0, [], [(COOKIE, CLIENT + MADE)])
    query.use_edns(0)
    reply = respond(SERVER, query.to_wire(), Client(ADDRESS), False, 0, ITSELF)
    assert reply is not None and reply.code == dns.rcode.FORMERR


def test_it_says_who_it_is_how_long_it_waits_and_from_which_version_it_answers() -> None:
    assert told(ask((NSID, b""))) == [(NSID, b"ams-1")]
    assert told(ask((NSID, b""), itself=Itself())) == []
    assert told(ask((KEEPALIVE, b""), tcp=True)) == [(KEEPALIVE, b"\0\x64")]
    assert told(ask((KEEPALIVE, b""))) == told(ask((KEEPALIVE, b"\0\1"))) == []
    version = (ZONEVERSION, bytes([2, 0, 0, 0, 0, 77]))
    assert told(ask((ZONEVERSION, b""))) == [version]
    assert told(ask((ZONEVERSION, b""), name="nobody.example.com")) == [version]
    assert (ZONEVERSION, b"") not in told(ask((ZONEVERSION, b""), name="other.net"))


@pytest.mark.parametrize(
    ("option", "tcp"),
    [
        ((NSID, b"x"), False),
        ((ZONEVERSION, b"\0"), False),
        ((KEEPALIVE, b"\0\1"), True),
        ((COOKIE, b"short"), False),
        ((COOKIE, bytes(9)), False),
        ((COOKIE, bytes(41)), False),
    ],
)
def test_an_option_of_the_wrong_form_is_a_format_error_that_keeps_to_edns(option: tuple[int, bytes], tcp: bool) -> None:
    response = ask(option, tcp=tcp)
    assert response.rcode() == dns.rcode.FORMERR and response.edns == 0


def test_an_option_that_nobody_knows_says_nothing() -> None:
    response = ask((65_001, b"x"))
    assert response.rcode() == dns.rcode.NOERROR and told(response) == []


CHAOS = {
    "id.server": '"ams-1"',
    "hostname.bind": '"ams-1"',
    "version.server": '"isthmus"',
    "VERSION.bind": '"isthmus"',
    "authors.bind": None,
}


@pytest.mark.parametrize("name", CHAOS)
def test_names_of_class_chaos(name: str) -> None:
    response = ask(name=name, kind="TXT", rdclass="CH")
    texts = [str(item) for rrset in response.answer for item in rrset]
    assert texts == ([] if CHAOS[name] is None else [CHAOS[name]])
    assert response.rcode() == (dns.rcode.REFUSED if CHAOS[name] is None else dns.rcode.NOERROR)
    assert ask(name="id.server", kind="TXT", rdclass="CH", itself=Itself()).rcode() == dns.rcode.REFUSED


FORM = "lines of 32 hexadecimal digits, 2 at most: the first makes cookies, both are believed"
BAD = {
    "nothing": ("", 0o600, f"E125 --cookie-secrets {{}}: {FORM}"),
    "a short one": ("00" * 15, 0o600, f"E125 --cookie-secrets {{}}: {FORM}"),
    "three": ("\n".join(["00" * 16] * 3), 0o600, f"E125 --cookie-secrets {{}}: {FORM}"),
    "words": ("secret", 0o600, f"E125 --cookie-secrets {{}}: {FORM}"),
    "for all to read": ("00" * 16, 0o644, "E122 {0} has mode 0644: must be 0600, run `chmod 600 {0}`"),
}


@pytest.mark.parametrize("case", BAD)
def test_secrets_that_are_none(case: str, tmp_path: Path) -> None:
    text, mode, wrong = BAD[case]
    path = tmp_path / "secrets"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(InputError) as caught:
        CookieSecrets(path)
    assert str(caught.value) == wrong.format(path)


def test_secrets_roll_and_the_last_good_ones_stay(tmp_path: Path) -> None:
    path = tmp_path / "secrets"
    path.write_text("00" * 16)
    path.chmod(0o600)
    held = CookieSecrets(path)
    assert held.look() == (bytes(16),)
    path.write_text("11" * 16 + "\n" + "00" * 16)
    assert held.look() == (b"\x11" * 16, bytes(16))
    path.write_text("oops")
    assert held.look() == (b"\x11" * 16, bytes(16))
    assert held.problems == (f"E125 --cookie-secrets {path}: {FORM}; the last good content stays",)
    path.unlink()
    assert held.look() == (b"\x11" * 16, bytes(16))
    assert held.problems == (f"E122 --cookie-secrets {path}: No such file or directory; the last good content stays",)
    assert CookieSecrets(None).look() != CookieSecrets(None).look()


def test_a_name_that_cannot_be_told() -> None:
    words = ("dns", "serve", "--listen", "127.0.0.1:5399", "--zone-file", "z", "--nsid", "a b")
    text = 'isthmus: E125 --nsid "a b": is not printable ASCII without spaces, 64 characters at most\n'
    assert said(*words) == (2, "", text)

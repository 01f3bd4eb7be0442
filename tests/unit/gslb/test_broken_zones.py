"""Some thousand kinds of broken zone files: each is refused with the file and the line, and the last good zone serves on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from gslb.files import ZoneFiles, parse_given
from gslb.master import load_zone

from federation.model.errors import InputError

HEAD = """$ORIGIN example.com.
$TTL 300
@ SOA ns1 hostmaster 7 7200 1800 86400 60
  NS ns1
ns1 A 192.0.2.1
"""
AT = HEAD.count("\n") + 1
LABEL, NAME = "a" * 64, ".".join(["a" * 63] * 4)

RECORDS = {
    "A": "192.0.2.1",
    "AAAA": "2001:db8::1",
    "AFSDB": "1 host",
    "CAA": '0 issue "ca.example.net"',
    "CDNSKEY": "257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==",
    "CDS": "12345 13 2 " + "ab" * 32,
    "CERT": "PGP 0 0 dGVzdA==",
    "CNAME": "target",
    "CSYNC": "66 3 A NS AAAA",
    "DHCID": "AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=",
    "DNAME": "other.example.net.",
    "DNSKEY": "257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==",
    "DS": "12345 13 2 " + "ab" * 32,
    "EUI48": "00-00-5e-00-53-2a",
    "EUI64": "00-00-5e-ef-10-00-00-2a",
    "HINFO": '"PC" "Linux"',
    "HTTPS": "1 . alpn=h2",
    "KX": "10 host",
    "LOC": "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m",
    "L32": "10 10.1.2.3",
    "MX": "10 mail",
    "NAPTR": '100 10 "u" "sip+E2U" "!^.*$!sip:x@example.com!" .',
    "NID": "10 0014:4fff:ff20:ee64",
    "NS": "ns2.example.net.",
    "OPENPGPKEY": "dGVzdA==",
    "PTR": "host.example.net.",
    "RP": "mbox txt",
    "SMIMEA": "3 1 1 " + "ab" * 32,
    "SRV": "0 5 5060 sip",
    "SSHFP": "4 2 " + "ab" * 32,
    "SVCB": "1 svc.example.net. port=8443",
    "TLSA": "3 1 1 " + "ab" * 32,
    "TXT": '"hello world"',
    "URI": '10 1 "https://example.net/"',
    "ZONEMD": "2018031500 1 1 " + "ab" * 48,
    "ALIAS": "target",
}
FREE_TEXT = {"TXT", "HINFO", "NAPTR", "URI", "CAA"}
NAMES_LAST = ("AFSDB", "CNAME", "DNAME", "KX", "MX", "NS", "PTR", "SRV", "ALIAS")
NUMBERED = ("AFSDB", "CAA", "CDNSKEY", "CDS", "CSYNC", "DNSKEY", "DS", "HTTPS", "KX", "L32", "MX", "NAPTR", "NID",
            "SMIMEA", "SRV", "SSHFP", "SVCB", "TLSA", "URI", "ZONEMD")  # fmt: skip


def broken() -> Iterator[tuple[str, str]]:
    """What is wrong, and the line that is wrong (the sixth of a file that is good without it)."""
    for kind, data in RECORDS.items():
        yield from by_form(kind, data)
    for kind in NUMBERED:
        yield from by_number(kind, RECORDS[kind])
    for kind in NAMES_LAST:
        yield from by_name(kind, RECORDS[kind])
    yield from by_directive()


def by_form(kind: str, data: str) -> Iterator[tuple[str, str]]:
    good = f"{kind} {data}"
    yield f"{kind} without data", f"x {kind}"
    yield f"{kind} with an open bracket", f"x {kind} ( {data}"
    yield f"{kind} with a closing bracket", f"x {good} )"
    yield f"{kind} with an open quote", f'x {good} "'
    yield f"{kind} of class CH", f"x CH {good}"
    yield f"{kind} of an unknown class", f"x CLAS {good}"
    yield f"{kind} with a long owner label", f"{LABEL} {good}"
    yield f"{kind} with a long owner", f"{NAME} {good}"
    yield f"{kind} with an empty owner label", f"a..b {good}"
    yield f"{kind} with a bad escape in its owner", f"a\\25 {good}"
    yield f"{kind} with an escape over 255", f"a\\256 {good}"
    yield f"{kind} outside the zone", f"x.example.net. {good}"
    yield f"{kind} at a name that only ends alike", f"notexample.com. {good}"
    yield f"{kind} with a negative TTL", f"x -1 {good}"
    yield f"{kind} with a TTL of words", f"x 1y2 {good}"
    yield f"{kind} with a TTL over 32 bits", f"x 4294967296 {good}"
    yield f"{kind} with two TTLs", f"x 60 60 {good}"
    yield f"{kind} misspelt", f"x {kind}X {data}"
    yield f"{kind} in generic form with too few bytes", f"x {kind} \\# 4 00"
    yield f"{kind} in generic form with too many", f"x {kind} \\# 1 0000"
    yield f"{kind} in generic form with no number", f"x {kind} \\# four 00"
    yield f"{kind} in generic form that is no hexadecimal", f"x {kind} \\# 2 zzzz"
    if kind not in FREE_TEXT:
        yield f"{kind} of nonsense", f"x {kind} ?!? ?!? ?!? ?!? ?!? ?!?"
    if kind not in FREE_TEXT and kind not in ("OPENPGPKEY", "DHCID", "CSYNC", "CERT", "HTTPS", "SVCB", "LOC"):
        yield f"{kind} with a word too many", f"x {good} more:words"


def by_number(kind: str, data: str) -> Iterator[tuple[str, str]]:
    rest = data.partition(" ")[2]
    for what, number in (("negative", "-1"), ("too large", "65536000000"), ("a word", "ten"), ("a fraction", "1.5")):
        yield f"{kind} whose number is {what}", f"x {kind} {number} {rest}"


def by_name(kind: str, data: str) -> Iterator[tuple[str, str]]:
    before = data.rpartition(" ")[0]
    for what, name in (
        ("too long a label", LABEL),
        ("too long", NAME),
        ("an empty label", "a..b"),
        ("a bad escape", "a\\999"),
    ):
        yield f"{kind} whose target has {what}", f"x {kind} {before} {name}"


def by_directive() -> Iterator[tuple[str, str]]:
    yield from {
        "an unknown one": "$OOPS 1",
        "$INCLUDE": "$INCLUDE other",
        "$TTL without a value": "$TTL",
        "$TTL of words": "$TTL soon",
        "a negative $TTL": "$TTL -1",
        "$ORIGIN without a value": "$ORIGIN",
        "$ORIGIN with a long label": f"$ORIGIN {LABEL}.",
        "$GENERATE without a range": "$GENERATE x A 192.0.2.1",
        "$GENERATE backwards": "$GENERATE 9-1 h$ A 192.0.2.$",
        "$GENERATE of nothing": "$GENERATE 1-3 h$ A 192.0.2.999",
        "$GENERATE of an unknown type": "$GENERATE 1-3 h$ AX 192.0.2.$",
    }.items()


KINDS = dict(broken())


def test_there_are_nine_hundred_kinds() -> None:
    assert len(KINDS) >= 900


@pytest.mark.parametrize("kind", sorted(RECORDS))
def test_each_record_is_good_by_itself(kind: str) -> None:
    assert "x.example.com" in load_zone(f"{HEAD}x {kind} {RECORDS[kind]}\n", "z").names


def refused(line: str, after: str = "") -> str:
    """What is said of a file with this line in it."""
    with pytest.raises(InputError) as caught:
        load_zone(f"{HEAD}{line}\n{after}", "z")
    return str(caught.value)


GROUPS = [sorted(KINDS)[at::20] for at in range(20)]


@pytest.mark.parametrize("group", GROUPS, ids=range(20))
def test_each_is_refused_with_the_file_the_line_and_why(group: list[str]) -> None:
    for kind in group:
        for after in ("", "last A 192.0.2.9\n"):
            said = refused(KINDS[kind], after)
            assert said.startswith(f"E125 z:{AT}: "), (kind, said)
            assert len(said) > len(f"E125 z:{AT}: ") + 5, kind
            assert "\n" not in said, kind


def test_while_a_file_is_broken_its_last_good_zone_serves_on(tmp_path: Path) -> None:
    path = tmp_path / "z"
    path.write_text(HEAD)
    files = ZoneFiles(parse_given([str(path)]))
    good = files.look()
    for kind in sorted(KINDS)[::10]:
        path.write_text(f"{HEAD}{KINDS[kind]}\n")
        assert files.look() is good, kind
        assert len(files.problems) == 1, kind
    path.write_text(HEAD + "new A 192.0.2.2\n")
    assert "new.example.com" in files.look()["example.com"].names
    assert files.problems == ()

"""Zone files: what is read, what is refused and where, and what a change of a file does while it is served."""

import multiprocessing
from pathlib import Path

import pytest
from gslb.compiled import change_of, wire_of
from gslb.files import BESIDE, ZoneFiles, parse_given
from gslb.library import Responder
from gslb.master import load_zone
from gslb.steer import Steering
from gslb.table import Table

from federation.model.errors import InputError
from tests.netns.spaces import await_true
from tests.worlds.command_line import said

HEAD = """$ORIGIN example.com.
$TTL 300
@ SOA ns1 hostmaster 7 7200 1800 86400 60
  NS ns1
ns1 A 192.0.2.1
"""
LONG = ".".join(["a" * 63] * 4)

REFUSED = {
    "an unknown type": (HEAD + "x AX 1\n", "z:6: unknown rdatatype 'AX'"),
    "an unknown word": (HEAD + "$OOPS 1\n", "z:6: zone file directive '$OOPS' is not allowed"),
    "another file": (HEAD + "$INCLUDE b\n", "z:6: zone file directive '$INCLUDE' is not allowed"),
    "another class": (HEAD + "x CH TXT a\n", "z:6: RR class is not zone's class"),
    "half a record": (HEAD + "x A\n", "z:6: expecting an identifier"),
    "no address": (HEAD + "x A 192.0.2\n", "z:6: Text input is malformed"),
    "an open quote": (HEAD + 'x TXT "a\n', "z:6: newline in quoted string"),
    "an open bracket": (HEAD + "x TXT ( a\n", "z:6: unbalanced parentheses"),
    "a long label": (HEAD + "a" * 64 + " A 192.0.2.1\n", "z:6: A DNS label is > 63 octets long"),
    "a long name": (HEAD + f"{LONG} A 192.0.2.1\n", "z:6: A DNS name is > 255 octets long"),
    "an empty label": (HEAD + "a..b A 192.0.2.1\n", "z:6: A DNS label is empty"),
    "no TTL": ("@ A 192.0.2.1\n", "z:1: Missing default TTL value"),
    "a TTL that is too large": (HEAD + "x 4294967296 A 192.0.2.1\n", "z:6: unknown rdatatype '4294967296'"),
    "nothing": ("; nothing\n", "z: holds no record"),
    "no SOA": ("$ORIGIN example.com.\n$TTL 1\n@ NS ns1.example.net.\n", "z: give the zone's name: $ORIGIN, or APEX=FILE"),
    "nobody's zone": ("$TTL 1\n@ SOA a b 1 2 3 4 5\n@ NS a\n", "z: give the zone's name: $ORIGIN, or APEX=FILE"),
    "no NS": (HEAD.replace("  NS ns1\n", ""), "z: zone example.com has no NS record at its apex"),
    "a second SOA": (HEAD + "@ SOA ns1 hostmaster 8 2 3 4 5\n", "z:6: example.com has a second SOA record"),
    "an SOA elsewhere": (HEAD + "x SOA ns1 hostmaster 8 2 3 4 5\n", "z:6: x.example.com has an SOA record, and is not the apex example.com"),
    "a name outside": (HEAD + "example.net. A 192.0.2.1\n", "z:6: example.net is outside zone example.com"),
    "a name that looks inside": (HEAD + "badexample.com. A 192.0.2.1\n", "z:6: badexample.com is outside zone example.com"),
    "a CNAME beside data": (
        HEAD + "x CNAME ns1\n\nx A 192.0.2.1\n",
        "z:8: x.example.com has a CNAME record and other data (RFC 1034 section 3.6.2)",
    ),
    "a CNAME at the apex": (HEAD + "@ CNAME ns1\n", "z:3: example.com has a CNAME record and other data (RFC 1034 section 3.6.2)"),
    "two CNAMEs": (HEAD + "x CNAME ns1\nx CNAME ns2\n", "z:7: x.example.com has a second CNAME record"),
    "two DNAMEs": (HEAD + "x DNAME a.\nx DNAME b.\n", "z:7: x.example.com has a second DNAME record"),
    "a name below a DNAME": (
        HEAD + "x DNAME a.\nb.c.x A 192.0.2.1\n",
        "z:7: b.c.x.example.com stands below x.example.com, which has a DNAME record (RFC 6672 section 2.4)",
    ),
    "a loop": (
        HEAD + "a CNAME b\nb CNAME c\nc CNAME a\nd CNAME a\n",
        "z:6: CNAME loop: a.example.com -> b.example.com -> c.example.com -> a.example.com",
    ),
    "itself": (HEAD + "a CNAME a\n", "z:6: CNAME loop: a.example.com -> a.example.com"),
    "two mistakes": (
        HEAD + "a.net. A 192.0.2.1\nb.net. A 192.0.2.1\n",
        "z:6: a.net is outside zone example.com; z:7: b.net is outside zone example.com",
    ),
    "a record over several lines": (HEAD + "a.net. TXT ( a\n b\n c )\n", "z:6: a.net is outside zone example.com"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case: str) -> None:
    text, told = REFUSED[case]
    with pytest.raises(InputError) as caught:
        load_zone(text, "z")
    assert str(caught.value) == f"E125 {told}"


def test_of_many_mistakes_the_first_are_told() -> None:
    with pytest.raises(InputError) as caught:
        load_zone(HEAD + "".join(f"a{n}.net. A 192.0.2.1\n" for n in range(25)), "z")
    assert str(caught.value).count("outside") == 20 and str(caught.value).endswith("; and 5 more")


def test_what_stands_in_a_file_is_what_is_held() -> None:
    text = HEAD + (
        "WWW 60 A 192.0.2.2\nwww A 192.0.2.3\nwww A 192.0.2.3\n"
        "odd TYPE65280 \\# 4 0a000001\n$GENERATE 1-2 h$ A 192.0.2.1$\n"
        "sub NS ns.sub\nns.sub A 192.0.2.4\nold DNAME new.example.net.\n"
    )
    zone = load_zone(text, "z")
    assert zone.names["www.example.com"] == {
        1: (("www.example.com", 1, 60, "192.0.2.2"), ("www.example.com", 1, 60, "192.0.2.3"))
    }
    assert zone.names["odd.example.com"] == {65280: (("odd.example.com", 65280, 300, "\\# 4 0a000001"),)}
    assert {"h1.example.com", "h2.example.com"} <= zone.names.keys()
    assert zone.cuts == {"sub.example.com"} and zone.dnames == {"old.example.com"}
    assert zone.soa[2] == 60


def test_a_name_may_be_given_where_the_file_does_not_say_it() -> None:
    text = HEAD.replace("$ORIGIN example.com.\n", "")
    assert load_zone(text, "z", "example.net").apex == "example.net"


def test_a_file_that_goes_bad_leaves_the_last_good_zone(tmp_path: Path) -> None:
    path = tmp_path / "z"
    path.write_text(HEAD)
    files = ZoneFiles(parse_given([str(path)]))
    first = files.look()
    assert files.look() is first and not files.problems
    path.write_text(HEAD + "x AX\n")
    assert files.look() is first
    assert files.problems == (f"E125 {path}:6: unknown rdatatype 'AX'; the last good zone serves on",)
    path.unlink()
    assert files.look() is first
    assert files.problems == (f"E125 {path}: No such file or directory; the last good zone serves on",)
    path.write_text(HEAD + "x A 192.0.2.9\n")
    assert "x.example.com" in files.look()["example.com"].names and not files.problems


MANY = HEAD + "".join(f"h{number} A 192.0.2.{number % 256}\n" for number in range(2_000))


def test_of_a_file_that_changed_a_little_little_is_told(tmp_path: Path) -> None:
    path = tmp_path / "z"
    path.write_text(HEAD + "a A 192.0.2.1\nb A 192.0.2.2\nx.y A 192.0.2.3\n")
    files = ZoneFiles(parse_given([str(path)]))
    first = files.look()
    path.touch()
    assert files.look() is first
    path.write_text(HEAD + "a A 192.0.2.1\nb A 192.0.2.9\nc A 192.0.2.2\n")
    steerings = [Steering(Table(dict(zones), 1), {}) for zones in (first, files.look())]
    (told,) = change_of(steerings[1], steerings[0]).zones
    hosts = ("b", "c", "x.y", "y")
    assert not told.whole and {name for name, _ in told.nodes} == {wire_of(f"{host}.example.com") for host in hosts}


def test_a_large_file_is_read_beside_the_server(tmp_path: Path) -> None:
    path = tmp_path / "z"
    path.write_text(MANY)
    assert path.stat().st_size > BESIDE
    files = ZoneFiles(parse_given([str(path)]))
    first = files.look()
    path.write_text(MANY.replace("h7 A 192.0.2.7", "h7 A 192.0.2.8"))
    assert files.look() is first
    await_true("the new zone", lambda: files.look() is not first)
    now = files.look()["example.com"]
    changed = [name for name, rrsets in now.names.items() if rrsets is not first["example.com"].names[name]]
    assert changed == ["h7.example.com"] and now.inner is first["example.com"].inner and not files.problems
    path.write_text(MANY + "x AX\n")
    await_true("the fault", lambda: files.look() and files.problems)
    assert files.problems == (f"E125 {path}:2006: unknown rdatatype 'AX'; the last good zone serves on",)
    path.write_text(MANY + "y A 192.0.2.9\n")
    files.look()
    for reader in multiprocessing.active_children():
        reader.kill()
    await_true("the end of the reader", lambda: files.look() and "was ended" in files.problems[0])
    assert files.problems == (
        f"E125 {path}: the process that reads it was ended (for want of memory?); touch the file to have it read "
        "again; the last good zone serves on",
    )
    assert files.look()["example.com"] is now
    path.touch()
    await_true("the newest zone", lambda: "y.example.com" in files.look()["example.com"].names)
    assert not files.problems


def test_a_zone_that_stands_in_two_files_is_served_from_the_other_when_the_one_says_another(tmp_path: Path) -> None:
    one, two = tmp_path / "a", tmp_path / "b"
    one.write_text(HEAD)
    two.write_text(HEAD.replace("example.com", "example.net"))
    files = ZoneFiles(parse_given([str(one), str(two)]))
    two.write_text(HEAD)
    assert sorted(files.look()) == ["example.com", "example.net"]
    assert files.problems == (f"E125 {two}: zone example.com is in {one} already; the last good zone serves on",)
    one.write_text(HEAD.replace("example.com", "example.org"))
    assert sorted(files.look()) == ["example.com", "example.org"] and not files.problems


def test_two_files_are_two_zones(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(HEAD)
    with pytest.raises(InputError) as caught:
        ZoneFiles(parse_given([str(tmp_path / "a"), str(tmp_path / "b")]))
    assert str(caught.value) == f"E125 {tmp_path}/b: zone example.com is in {tmp_path}/a already"
    (tmp_path / "c").write_text(HEAD.replace("example.com", "x.clusterset.local"))
    with pytest.raises(InputError) as caught:
        ZoneFiles(parse_given([str(tmp_path / "c")]))
    text = f"E125 {tmp_path}/c: zone x.clusterset.local lies in clusterset.local, which has its own names"
    assert str(caught.value) == text
    with pytest.raises(InputError) as caught:
        parse_given(["Not a name=x"])
    assert str(caught.value) == 'E125 --zone-file "Not a name=x": "Not a name" is not a DNS name; write APEX=FILE'


def test_the_command_checks_without_serving(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_text(HEAD)
    bad.write_text(HEAD + "x AX\n")
    assert said("dns", "check", str(good)) == (0, f"{good}: zone example.com, 2 names, 3 records\n", "")
    code, out, wrong = said("dns", "check", str(good), str(bad), str(tmp_path / "none"))
    assert (code, out) == (2, f"{good}: zone example.com, 2 names, 3 records\n")
    assert wrong == f"isthmus: E125 {bad}:6: unknown rdatatype 'AX'; {tmp_path}/none: No such file or directory\n"


ALONE = {
    "nothing to serve": (("--listen", "127.0.0.1:5399"), "give --state DIR, --zone-file FILE, or both"),
    "what needs a federation": (
        ("--listen", "127.0.0.1:5399", "--zone-file", "z", "--outside", "192.0.2.1:53"),
        "--enroll, --subnets, --geo, --latencies, --outside and --probe-... are for --state, which is not given",
    ),
}


@pytest.mark.parametrize("case", ALONE)
def test_a_server_alone_is_told_what_it_lacks(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "z").write_text(HEAD)
    words, told = ALONE[case]
    assert said("dns", "serve", *words) == (2, "", f"isthmus: {told} See `isthmus dns serve --help`.\n")


def test_as_a_library_it_answers_bytes_with_bytes() -> None:
    import dns.message

    responder = Responder({"example.com": HEAD})
    query = dns.message.make_query("ns1.example.com", "A")
    data = responder.respond(query.to_wire(), "192.0.2.9")
    assert data is not None
    assert [str(one) for one in dns.message.from_wire(data).answer] == ["ns1.example.com. 300 IN A 192.0.2.1"]
    assert responder.respond(b"short", "192.0.2.9", "tcp") is None

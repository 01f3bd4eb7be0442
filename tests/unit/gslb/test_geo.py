"""MaxMind DB files as ranges, and the file of measured latencies."""

import multiprocessing
from pathlib import Path
from typing import Any

import pytest
from gslb.atlas_files import AtlasFiles
from gslb.client import Client, behind
from gslb.followed import Followed
from gslb.geo import Spot, read_geo, spot_of, valued
from gslb.latencies import FORM, parse_latencies
from gslb.ranges import NONE

from federation.model.errors import InputError
from tests.netns.spaces import await_true
from tests.worlds.geo_file import CALIFORNIA, FRANCE, write_geo


def test_a_spot_is_known_by_the_network_around_it(tmp_path: Path) -> None:
    table = read_geo(write_geo(tmp_path / "geo.mmdb"))
    value, bits = table.mapped.find("10.1.2.3")
    assert (table.spots[value], bits) == (spot_of(FRANCE), 16)
    value, bits = table.mapped.find("2001:db8:a::7")
    assert (table.spots[value], bits) == (spot_of(FRANCE), 48)
    assert table.mapped.find("192.0.2.1") == (NONE, 1)
    assert table.made > 1_700_000_000


def test_neighbours_of_one_country_are_one_range(tmp_path: Path) -> None:
    table = read_geo(write_geo(tmp_path / "geo.mmdb"))
    assert table.mapped.find("10.2.3.4")[1] == 16
    europe = valued(table, lambda spot: 1 if "continent/EU" in spot.places else 0)
    assert europe.find("10.2.3.4") == (1, 16)


SPOTS: dict[str, tuple[Any, Spot | None]] = {
    "a city": (CALIFORNIA, Spot(("subdivision/US-CA", "country/US", "continent/NA"), (37_800, -122_400))),
    "an autonomous system": ({"autonomous_system_number": 64500}, Spot(("asn/64500",))),
    "a continent alone": ({"continent": {"code": "EU"}}, Spot(("continent/EU",))),
    "nothing that we know": ({"traits": {"is_anycast": True}}, None),
    "no map": ("x", None),
    "odd kinds": ({"country": "FR", "location": {"latitude": "north"}, "subdivisions": 7}, None),
}


@pytest.mark.parametrize("case", SPOTS)
def test_what_a_record_says(case: str) -> None:
    record, spot = SPOTS[case]
    assert spot_of(record) == spot


def test_what_is_no_such_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "geo.mmdb"
    with pytest.raises(InputError) as caught:
        read_geo(path)
    assert str(caught.value) == f"E122 --geo {path}: No such file or directory"
    path.write_bytes(b"no database")
    with pytest.raises(InputError) as caught:
        read_geo(path)
    assert str(caught.value).startswith(f"E122 --geo {path}: is no MaxMind DB file (")


def test_latencies_are_found_by_the_longest_prefix() -> None:
    found = parse_latencies("10.0.0.0/8 us-east=80 eu-central=20 # Frankfurt\n\n10.9.0.0/16 us-east=5\n", "f")
    assert found.lines[found.by_client.find(Client("10.1.1.1"))[0]] == {"us-east": 80, "eu-central": 20}
    assert found.lines[found.by_client.find(behind("10.9.1.1"))[0]] == {"us-east": 5}
    assert found.by_client.find(Client("192.0.2.1"))[0] == NONE


def test_files_are_read_again_when_they_change_and_the_last_good_stay(tmp_path: Path) -> None:
    geo, latencies = write_geo(tmp_path / "geo.mmdb"), tmp_path / "rtt"
    latencies.write_text("10.0.0.0/8 us-east=1\n")
    files = AtlasFiles([geo], latencies)
    first = files.look()
    assert files.look() is first
    latencies.write_text("10.0.0.0/8 us-east=2\n")
    assert files.look().latencies.lines == ({"us-east": 2},)
    latencies.write_text("10.0.0.0/8\n")
    assert files.look().latencies.lines == ({"us-east": 2},)
    assert files.problems == (f'E122 --latencies {latencies}:1: "10.0.0.0/8": {FORM}; the last good content stays',)
    write_geo(tmp_path / "new.mmdb", {"10.0.0.0/8": FRANCE}).replace(geo)
    await_true("the new file", lambda: files.look().geo[0].mapped.find("10.200.1.1")[1] == 8)
    (tmp_path / "none").write_bytes(b"x")
    (tmp_path / "none").replace(geo)
    await_true("the problem", lambda: bool(files.look()) and len(files.problems) == 2)
    assert files.problems[0].startswith(f"E122 --geo {geo}: is no MaxMind DB file (")
    assert files.look().geo[0].mapped.find("10.200.1.1")[1] == 8
    geo.unlink()
    files.look()
    assert files.problems[0] == f"E122 --geo {geo}: No such file or directory; the last good content stays"


def test_a_reader_that_is_ended_leaves_the_last_good_until_the_file_is_touched(tmp_path: Path) -> None:
    geo = write_geo(tmp_path / "geo.mmdb")
    files = AtlasFiles([geo])
    first = files.look()
    write_geo(tmp_path / "new.mmdb", {"10.0.0.0/8": FRANCE}).replace(geo)
    files.look()
    for reader in multiprocessing.active_children():
        reader.kill()
    await_true("the problem", lambda: files.look() is first and bool(files.problems))
    assert files.problems == (
        f"E122 --geo {geo}: the process that reads it was ended (for want of memory?); touch the file to have it read "
        "again; the last good content stays",
    )
    geo.touch()
    await_true("the new file", lambda: files.look().geo[0].mapped.find("10.200.1.1")[1] == 8 and not files.problems)


def test_a_file_that_changes_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def read(at: Path) -> str:
        text = at.read_text()
        at.write_text("newer")
        return text

    followed = Followed(path, read)
    assert (followed.now, followed.look()) == ("old", "newer")


BAD = {
    "no members": ("10.0.0.0/8", f'f:1: "10.0.0.0/8": {FORM}'),
    "no range": ("# x\nhere us=1", 'f:2: "here" is no range such as 192.0.2.0/24, without host bits'),
    "host bits": ("10.0.0.1/8 us=1", 'f:1: "10.0.0.1/8" is no range such as 192.0.2.0/24, without host bits'),
    "no number": ("10.0.0.0/8 us=fast", f'f:1: "us=fast": {FORM}'),
    "no member": ("10.0.0.0/8 US=1", f'f:1: "US=1": {FORM}'),
    "too slow": ("10.0.0.0/8 us=60001", "f:1: us 60001 ms is not 0 to 60000"),
    "twice": ("10.0.0.0/8 us=1\n10.0.0.0/8 us=2", 'f:2: "10.0.0.0/8" stands there twice'),
}


@pytest.mark.parametrize("case", BAD)
def test_every_fault_of_a_line_is_said_with_its_place(case: str) -> None:
    text, said = BAD[case]
    with pytest.raises(InputError) as caught:
        parse_latencies(text, "f")
    assert str(caught.value) == f"E122 --latencies {said}"

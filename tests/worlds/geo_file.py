"""MaxMind DB files for tests."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPNetwork, IPSet


def country(code: str, continent: str, **more: Any) -> dict[str, Any]:
    """A record as a country or city database has it."""
    return {"country": {"iso_code": code}, "continent": {"code": continent}, **more}


def at(north: float, east: float) -> dict[str, float]:
    """Coordinates as a city database has them."""
    return {"latitude": north, "longitude": east}


FRANCE = country("FR", "EU", subdivisions=[{"iso_code": "IDF"}], location=at(48.9, 2.4))
GERMANY = country("DE", "EU", location=at(50.1, 8.7))
CALIFORNIA = country("US", "NA", subdivisions=[{"iso_code": "CA"}], location=at(37.8, -122.4))
NEW_YORK = country("US", "NA", subdivisions=[{"iso_code": "NY"}], location=at(40.7, -74.0))
JAPAN = country("JP", "AS", location=at(35.7, 139.7))

WORLD: dict[str, dict[str, Any]] = {
    "10.1.0.0/16": FRANCE,
    "10.2.0.0/17": GERMANY,
    "10.2.128.0/17": GERMANY,
    "10.3.0.0/16": CALIFORNIA,
    "10.4.0.0/16": NEW_YORK,
    "10.5.0.0/24": JAPAN,
    "2001:db8:a::/48": FRANCE,
    "2001:db8:b::/48": JAPAN,
}


def write_geo(path: Path, networks: Mapping[str, Any] | None = None, kind: str = "Test-City") -> Path:
    """A file of these networks, by default of the little world above."""
    writer = MMDBWriter(6, kind, ipv4_compatible=True, int_type="u32")
    for network, record in (WORLD if networks is None else networks).items():
        writer.insert_network(IPSet([IPNetwork(network)]), record)
    writer.to_db_file(str(path))
    return path

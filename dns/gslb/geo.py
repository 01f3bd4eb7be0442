"""Where addresses are: a MaxMind DB file (version 2.0 of its format) as ranges of what it says of them."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

import maxminddb
from msgspec import Struct

from federation.model.errors import InputError
from federation.model.routing import DEGREES
from gslb.ranges import NONE, Mapped, merged

V6_BITS = 64
"""Of IPv6 the first 64 bits count."""


class Spot(Struct, frozen=True):
    """What is known of an address: its `places`, narrowest first, in the words of a Geo rule; and its coordinates in
    thousandths of a degree, where they are known.
    """

    places: tuple[str, ...] = ()
    at: tuple[int, int] | None = None


class GeoTable(Struct, frozen=True):
    """One file: `mapped` has indexes of `spots`. `made` is the Unix second at which its data were put together."""

    mapped: Mapped = Mapped()
    spots: tuple[Spot, ...] = ()
    made: int = 0


def read_geo(path: Path) -> GeoTable:
    """The file's data. InputError (E122) when it cannot be read or is no such file. Takes about 4 us a network."""
    try:
        with maxminddb.open_database(path) as reader:
            return _table(iter(reader), reader.metadata().build_epoch)
    except OSError as error:
        raise InputError(f"--geo {path}: {error.strerror}", "E122") from None
    except (maxminddb.InvalidDatabaseError, ValueError) as error:
        raise InputError(f"--geo {path}: is no MaxMind DB file ({error})", "E122") from None


def _table(networks: Iterator[tuple[IPv4Network | IPv6Network, Any]], made: int) -> GeoTable:
    spots: dict[Spot, int] = {}
    families = {4: _Family(32), 6: _Family(V6_BITS)}
    for network, record in networks:
        spot = spot_of(record)
        if spot is not None:
            family = families[network.version]
            shift = network.max_prefixlen - family.bits
            size = max(1, network.num_addresses >> shift)
            family.add(int(network.network_address) >> shift, size, spots.setdefault(spot, len(spots)))
    return GeoTable(
        Mapped(*(merged(one.bits, one.starts, one.values) for one in families.values())), tuple(spots), made
    )


class _Family:
    """Ranges of one family, added in order."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self.starts, self.values = array("Q", [0]), array("i", [NONE])

    def add(self, first: int, size: int, value: int) -> None:
        """What comes before what is there already is in it: several networks of one first half of an IPv6 address."""
        if first < self.starts[-1]:
            return
        if first == self.starts[-1]:
            self.starts.pop()
            self.values.pop()
        self.starts.extend((first, first + size))
        self.values.extend((value, NONE))


def spot_of(record: Any) -> Spot | None:
    """What a record of the usual databases (City, Country, ASN and those in their form) says; None for nothing."""
    if not isinstance(record, Mapping):
        return None
    country = _code(record.get("country"), "iso_code")
    places = [f"asn/{number}" for number in (record.get("autonomous_system_number"),) if isinstance(number, int)]
    inner = record.get("subdivisions") or ()
    codes = [_code(one, "iso_code") for one in reversed(inner)] if isinstance(inner, Sequence) else []
    places += [f"subdivision/{country}-{code}" for code in codes if code and country]
    places += [f"country/{country}"] if country else []
    continent = _code(record.get("continent"), "code")
    places += [f"continent/{continent}"] if continent else []
    at = _coordinates(record.get("location"))
    return Spot(tuple(places), at) if places or at else None


def _code(part: Any, key: str) -> str:
    code = part.get(key) if isinstance(part, Mapping) else None
    return code if isinstance(code, str) else ""


def _coordinates(part: Any) -> tuple[int, int] | None:
    if not isinstance(part, Mapping):
        return None
    north, east = part.get("latitude"), part.get("longitude")
    if not isinstance(north, int | float) or not isinstance(east, int | float):
        return None
    return round(north * DEGREES), round(east * DEGREES)


Value = Callable[[Spot], int]


def valued(table: GeoTable, value: Value) -> Mapped:
    """The same ranges with what `value` makes of each spot."""
    return table.mapped.mapped([value(spot) for spot in table.spots])

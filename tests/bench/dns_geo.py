"""A country database that all servers of `dns_speed.py` read, each in its own words, and clients all over it."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import dns.edns
import dns.exception
import dns.message
import dns.query

from federation.model.routing import Geo, Match, Routing
from tests.worlds.geo_file import country, write_geo
from tests.worlds.public_names import ZONE

HOST = f"geoip.{ZONE}"
PUBLIC = {"us-east": "203.0.113.1", "us-west": "203.0.113.2", "eu-central": "203.0.113.3"}
CONTINENTS = {
    "AF": "DZ EG ET GH KE MA NG SN TN TZ ZA",
    "AS": "AE BD CN ID IL IN JP KR KZ MY PH PK SA SG TH TR TW VN",
    "EU": "AT BE BG CH CZ DE DK ES FI FR GB GR HU IE IT NL NO PL PT RO RS SE UA",
    "NA": "CA CR CU DO GT JM MX PA US",
    "OC": "AU FJ NZ PG",
    "SA": "AR BO BR CL CO EC PE UY VE",
}
MEMBER_OF = {
    code: list(PUBLIC)[at % len(PUBLIC)]
    for at, code in enumerate(code for all in CONTINENTS.values() for code in all.split())
}
"""To whom clients of a country go; neighbours go elsewhere, so that no server gets by with a continent."""

REST = "us-east"
COUNT, FIRST, LAST, BITS = 5_000, 11, 126, 20
"""So many networks of that length, from 11.0.0.0 up to 126.0.0.0."""

CLIENTS, COMPARED, NOWHERE = 10_000, 200, 20
"""Of those that are compared so many are in no network."""

WORDS = f"one database of {COUNT:,} networks in {len(MEMBER_OF)} countries, ECS of {CLIENTS:,} clients in them"


def networks() -> dict[int, str]:
    """The country of each network, by its first address."""
    chance = random.Random(11)
    found = chance.sample(range(FIRST << BITS - 8, LAST << BITS - 8), COUNT)
    return {first << 32 - BITS: chance.choice(list(MEMBER_OF)) for first in found}


@contextmanager
def database() -> Iterator[Path]:
    """The MaxMind DB file."""
    continent = {code: name for name, codes in CONTINENTS.items() for code in codes.split()}
    records = {f"{text(at)}/{BITS}": country(code, continent[code]) for at, code in networks().items()}
    with TemporaryDirectory() as folder:
        yield write_geo(Path(folder) / "country.mmdb", records, "GeoLite2-Country")


def text(address: int) -> str:
    """An IPv4 address."""
    return ".".join(str(address >> shift & 255) for shift in (24, 16, 8, 0))


def tree() -> Routing:
    """Ours."""
    codes = {member: [code for code, to in MEMBER_OF.items() if to == member] for member in PUBLIC}
    rules = tuple(Match(tuple(f"country/{code}" for code in of), (member,)) for member, of in codes.items())
    return Routing("world", {"world": Geo(rules=rules, otherwise=(REST,))})


def gdnsd_map(file: Path) -> str:
    """A map of gdnsd's plugin geoip."""
    parts = [
        f"{name} => {{ {', '.join(f'{code} => [ {MEMBER_OF[code]} ]' for code in codes.split())} }}"
        for name, codes in CONTINENTS.items()
    ]
    return f'geoip2_db => "{file}", datacenters => [ {", ".join(PUBLIC)} ], map => {{ {", ".join(parts)}, default => [ {REST} ] }}'


def knot_names() -> str:
    """The file of Knot's mod-geoip, in mode geodb by country/iso_code."""
    rows = [f'  - geo: "{code}"\n    A: {PUBLIC[member]}\n' for code, member in MEMBER_OF.items()]
    return f'{HOST}:\n  - geo: "*"\n    A: {PUBLIC[REST]}\n' + "".join(rows)


def query(client: int) -> dns.message.Message:
    """From a resolver that tells the /24 of this client."""
    return dns.message.make_query(HOST, "A", use_edns=0, options=[dns.edns.ECSOption(text(client & ~255), 24)])


def drawn(count: int) -> list[int]:
    """So many clients, each of a network."""
    chance, known = random.Random(12), list(networks())
    return [chance.choice(known) + chance.randrange(1 << 32 - BITS) for _ in range(count)]


def queries() -> bytes:
    """Those of the clients, as dnsperf reads messages."""
    return b"".join(len(wire).to_bytes(2) + wire for wire in (query(one).to_wire() for one in drawn(CLIENTS)))


def differing(ports: Mapping[str, int]) -> str:
    """The first client who is not sent where his country goes, by one of these servers; "": there is none."""
    known = networks()
    nowhere = [at << 32 - BITS for at in range(FIRST << BITS - 8, LAST << BITS - 8) if at << 32 - BITS not in known]
    for client in (*drawn(COMPARED - NOWHERE), *random.Random(13).sample(nowhere, NOWHERE)):
        code = known.get(client >> 32 - BITS << 32 - BITS, "")
        wanted = PUBLIC[MEMBER_OF.get(code, REST)]
        for name, port in ports.items():
            said = answered(port, client)
            if said != [wanted]:
                return f"{name} sends {text(client)} ({code or 'nowhere'}) to {said}, not {wanted}"
    return ""


def answered(port: int, client: int) -> list[str]:
    """The addresses that a server gives him."""
    try:
        reply = dns.query.udp(query(client), "127.0.0.1", port=port, timeout=2)
    except (OSError, dns.exception.DNSException):
        return []
    return [record.to_text() for rrset in reply.answer for record in rrset]

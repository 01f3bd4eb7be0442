"""ALIAS: a name that has the addresses of another one, also where a CNAME cannot stand, such as a zone's apex.

No RFC says it; the form and the number are those of the servers that have it (`@ ALIAS shop.example.com.`). It is never
told itself: who asks for addresses gets those that the target has for him. Pure.
"""

from msgspec import structs

from gslb.answered import NOERROR, NXDOMAIN, SERVFAIL, Answered
from gslb.zone import Row, Zone


def aliased(zone: Zone, alias: Row, kind: int, found: Answered) -> Answered:
    """The answer at the alias's owner, from what was found for its target. What is not ours to know is SERVFAIL."""
    if not found.authoritative or found.code not in (NOERROR, NXDOMAIN):
        return Answered(SERVFAIL)
    owner, _, most, _ = alias
    rows = tuple((owner, one, min(ttl, most), text) for _, one, ttl, text in found.records if one == kind)
    negative = None if rows else zone.soa
    return structs.replace(found, code=NOERROR, zone=zone.apex, records=rows, additional=(), negative=negative)

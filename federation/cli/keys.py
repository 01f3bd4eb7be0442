"""A new member's keys and files, for `isthmus init` and `isthmus member request`."""

from datetime import datetime
from typing import Any

from federation.config import Folder, Own
from federation.files import write_private
from federation.model.cidr import first_overlap, parse_cidr
from federation.model.errors import InputError
from federation.model.names import parse_domain, parse_label, parse_member
from federation.model.spiffe import trust_domain
from federation.registrar.admit import Applicant, make_request
from federation.registrar.signing import REQUEST, SigningKey, new_signing_key
from federation.telemetry import split_address
from federation.trust.anchor import make_anchor


def applicant_of(domain: str, place: dict[str, Any]) -> Applicant:
    """The options checked and put together; keys are still empty. InputError at the first bad one."""
    parse_domain(domain)
    reachable = tuple(parse_cidr(text, "--reachable") for text in place["reachable"])
    taken = first_overlap(parse_cidr(place["clusterset"], "--clusterset"), reachable)
    if taken is not None:
        raise InputError(f'--clusterset "{place["clusterset"]}" overlaps --reachable {taken}; choose another', "E101")
    for address in place["sync"]:
        split_address(address, "--sync")
    return Applicant(
        domain=domain,
        name=parse_member(place["name"]),
        region=parse_label(place["region"], "--region"),
        anchor="",
        record_key=b"",
        reachable=tuple(str(network) for network in reachable),
        namespaces=place["namespaces"],
        sync=place["sync"],
    )


def create_member(folder: Folder, draft: Applicant, place: dict[str, Any], federation: str, now: datetime) -> Applicant:
    """Make the folder and its keys; the applicant with its public keys."""
    own = Own(
        name=parse_member(draft.name),
        domain=draft.domain,
        federation=federation,
        region=draft.region,
        az=parse_label(place["az"], "--az"),
        clusterset=place["clusterset"],
    )
    folder.create(own)
    record_pem = new_signing_key()
    anchor_key, anchor = make_anchor(trust_domain(draft.name, draft.domain), now)
    write_private(folder.record_key, record_pem.encode())
    write_private(folder.anchor_key, anchor_key.encode())
    folder.anchor.write_text(anchor)
    public = SigningKey(record_pem, REQUEST).public
    return Applicant(
        domain=draft.domain,
        name=draft.name,
        region=draft.region,
        anchor=anchor,
        record_key=public,
        reachable=draft.reachable,
        namespaces=draft.namespaces,
        sync=draft.sync,
    )


def request_bytes(folder: Folder, applicant: Applicant) -> bytes:
    """The join request of this folder's member, signed with both of its keys."""
    key = SigningKey(folder.private_text(folder.record_key), REQUEST)
    return make_request(applicant, key, folder.private_text(folder.anchor_key))

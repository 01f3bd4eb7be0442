"""A new member's keys and files, for `isthmus init` and `isthmus member request`."""

import re
from datetime import datetime
from typing import Any

from msgspec import Struct, structs

from federation.cli.places import check_folder
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

FINGERPRINT = re.compile(r"sha256:[0-9a-f]{64}")


def applicant_of(domain: str, place: dict[str, Any]) -> Applicant:
    """The options checked and put together; keys are still empty. InputError at the first bad one."""
    parse_domain(domain)
    reachable = tuple(parse_cidr(text, "--reachable") for text in place["reachable"])
    taken = first_overlap(parse_cidr(place["clusterset"], "--clusterset"), reachable)
    if taken is not None:
        raise InputError(f'--clusterset "{place["clusterset"]}" overlaps --reachable {taken}; choose another', "E101")
    for namespace in place["namespaces"]:
        if namespace != "*":
            parse_label(namespace, "--namespace")
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
        ingress=place["ingress"],
        nameservers=place["nameservers"],
    )


class NewMember(Struct, frozen=True, kw_only=True):
    """A member that is nowhere on disk yet; keys are PEM."""

    own: Own
    applicant: Applicant
    record_key: str
    anchor_key: str

    def request(self) -> bytes:
        """Its join request, signed with both of its keys."""
        return make_request(self.applicant, SigningKey(self.record_key, REQUEST), self.anchor_key)


def new_member(draft: Applicant, place: dict[str, Any], federation: str, now: datetime) -> NewMember:
    """The member with fresh keys. InputError for a bad --az or --federation."""
    if not FINGERPRINT.fullmatch(federation):
        raise InputError(f'--federation "{federation}": must be sha256: and 64 hex digits, as `isthmus init` prints it')
    record_key = new_signing_key()
    anchor_key, anchor = make_anchor(trust_domain(draft.name, draft.domain), now)
    public = SigningKey(record_key, REQUEST).public
    own = Own(
        name=parse_member(draft.name),
        domain=draft.domain,
        federation=federation,
        region=draft.region,
        az=parse_label(place["az"], "--az"),
        clusterset=place["clusterset"],
    )
    applicant = structs.replace(draft, anchor=anchor, record_key=public)
    return NewMember(own=own, applicant=applicant, record_key=record_key, anchor_key=anchor_key)


def write_member(folder: Folder, new: NewMember) -> None:
    """Make the folder with everything in it. InputError when it cannot be one, or already belongs to a member."""
    check_folder(folder.path, "--state")
    folder.create(new.own)
    write_private(folder.record_key, new.record_key.encode())
    write_private(folder.anchor_key, new.anchor_key.encode())
    folder.anchor.write_text(new.applicant.anchor)

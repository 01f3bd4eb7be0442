"""What a reader refuses (design section 5). Pure: a statement and the ledger in, a Refused out.

A head that fails refuses the whole step. A resource that fails is refused alone: its last good stays, the rest
applies.
"""

import msgspec

from federation.model.cidr import forbidden_address, inside
from federation.model.errors import Refused
from federation.model.ledger import Member
from federation.model.names import is_label
from federation.model.record import Export, Gateway, Head, Resource, Signed, Slice, key_of
from federation.registrar.signing import RECORD, verified

PORTS_MAX = 100
"""Ports of one service: what one EndpointSlice can hold (discovery/v1)."""

_signed_decoder = msgspec.msgpack.Decoder(Signed)
_head_decoder = msgspec.msgpack.Decoder(Head)


def check_head(data: bytes, member: Member, root: bytes, last: Head | None) -> Head:
    """The head in these bytes. Refused: E105 not the owner's signature, E109 older than what is held or beside it, E120
    unreadable.
    """
    try:
        signed = _signed_decoder.decode(data)
        head = _head_decoder.decode(signed.body)
    except msgspec.MsgspecError as error:
        raise Refused(f'record head of member "{member.name}" ({len(data)} bytes): {error}', "E120") from None
    if not verified(signed, member.record_key, RECORD):
        raise Refused(f'record of member "{member.name}": the signature is not its owner\'s; last good kept', "E105")
    if head.member != member.name or head.root != root:
        raise Refused(f'record of member "{member.name}": the head signs other content; last good kept', "E105")
    if last is not None and head.order < last.order:
        raise Refused(
            f'record of member "{member.name}": generation {head.epoch}.{head.generation} is older than '
            f"{last.epoch}.{last.generation}, which is held; last good kept",
            "E109",
        )
    if last is not None and head.order == last.order and head.root != last.root:
        raise Refused(
            f'record of member "{member.name}": generation {head.epoch}.{head.generation} is held with other content; '
            "last good kept",
            "E109",
        )
    return head


def check_resource(key: str, resource: Resource, member: Member, reader: Member) -> None:
    """Refused when this member may not say this: E103 addresses, E104 names, E120 form."""
    if key != key_of(resource):
        raise Refused(f'resource "{key}" of member "{member.name}" calls itself "{key_of(resource)}"', "E120")
    match resource:
        case Gateway():
            _check_gateway(resource, member)
        case Export():
            _check_namespace(resource, member)
            if len(resource.ports) > PORTS_MAX:
                text = f"service {resource.service} of member {member.name}: {len(resource.ports)} ports > {PORTS_MAX}"
                raise Refused(f"{text}; last good kept", "E118")
        case Slice():
            _check_namespace(resource, member)
            for endpoint in resource.endpoints:
                _check_address(endpoint.address, resource, member, reader)


def _check_namespace(resource: Export | Slice, member: Member) -> None:
    service = resource.service
    if not (is_label(service.namespace) and is_label(service.name)):
        raise Refused(f'service "{service}" of member "{member.name}": not a DNS label; last good kept', "E114")
    if not member.granted(service.namespace):
        raise Refused(
            f'service {service}: namespace "{service.namespace}" is not granted to member "{member.name}" '
            f"[{', '.join(member.namespaces)}]; last good kept",
            "E102",
        )


def _check_address(address: str, resource: Slice, member: Member, reader: Member) -> None:
    where = f"endpoint {address} of {resource.service}"
    why = forbidden_address(address)
    if why is not None:
        raise Refused(f"{where} from member {member.name} {why}; slice rejected, last good kept", "E103")
    if not inside(address, member.owned()):
        ranges = ", ".join((*member.reachable, *member.local, member.overlay))
        raise Refused(
            f"{where} is not in member {member.name}'s ranges [{ranges}]; slice rejected, last good kept",
            "E103",
        )
    if inside(address, reader.owned()):
        raise Refused(
            f"{where} from member {member.name} lies in our own ranges; slice rejected, last good kept",
            "E103",
        )


def _check_gateway(gateway: Gateway, member: Member) -> None:
    name = f'gateway {gateway.id} of member "{member.name}"'
    if forbidden_address(gateway.overlay) or not inside(gateway.overlay, member.owned()[-1:]):
        raise Refused(f"{name}: overlay address {gateway.overlay} is not in {member.overlay}; last good kept", "E103")
    if len(gateway.key) != 32 or not any(gateway.key):
        raise Refused(f"{name}: the WireGuard public key is not 32 bytes or is all zero; last good kept", "E121")
    host = gateway.endpoint.rpartition(":")[0].strip("[]")
    why = forbidden_address(host)
    if why is not None:
        raise Refused(f"{name}: endpoint {gateway.endpoint} {why}; last good kept", "E122")


def check_quota(services: int, ports: int, endpoints: int, member: Member) -> None:
    """Refused (E118) when the record would hold more services, ports or endpoints than the member's quota.

    Ports are counted because each takes a listener of every node: without a limit one member could take them all.
    """
    for count, what, limit in (
        (services, "services", member.quota.services),
        (ports, "ports", member.quota.ports),
        (endpoints, "endpoints", member.quota.endpoints),
    ):
        if count > limit:
            raise Refused(f'member "{member.name}": {count} {what} > quota {limit}; last good kept', "E118")

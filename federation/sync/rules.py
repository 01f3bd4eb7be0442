"""What a reader refuses (design section 5). Pure: a statement and the ledger in, a Refused out.

A head that fails refuses the whole step. A resource that fails is refused alone: its last good stays, the rest
applies.
"""

from collections.abc import Mapping, Sequence

import msgspec

from federation.link.statement import constrained_to, read_statement
from federation.model import policy as limits
from federation.model.cidr import forbidden_address, inside
from federation.model.errors import Refused
from federation.model.flat import Egress, Flat
from federation.model.ledger import Member
from federation.model.metadata import annotation_fault, is_key, is_value, label_fault
from federation.model.moves import SECONDS_MAX, Shift
from federation.model.names import ServiceKey, is_host, is_label, zone_of
from federation.model.public import GlobalName
from federation.model.record import (
    BEHIND_MAX,
    SLICE_ENDPOINTS_MAX,
    About,
    Demand,
    Distance,
    Evidence,
    Export,
    Gateway,
    Granted,
    Head,
    JwtKeys,
    Leave,
    Numbers,
    Port,
    PublicName,
    Resource,
    Rotation,
    Seen,
    Signed,
    Slice,
    Traits,
    key_of,
)
from federation.model.sighting import Sighting
from federation.registrar.signing import RECORD, verified
from federation.sync.egress import check_egress
from federation.sync.gateways import check_gateway, check_number, check_sighting
from federation.sync.names import check_name_policy
from federation.sync.steering import check_about, check_hint, check_rates
from federation.trust.anchor import check_form

PEM_MAX = 8_192
AFFINITY_SECONDS_MAX = 86_400
RESOURCE_BYTES_MAX = 1024 * 1024
QUOTAS = ("services", "ports", "endpoints", "gateways", "names", "probes_per_second", "evidence", "rates", "bytes")
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


def check_size(key: str, data: bytes, member: Member) -> None:
    """Refused (E117) when one resource is larger than any honest one."""
    if len(data) > RESOURCE_BYTES_MAX:
        what = f'resource "{key[:160]}" of member "{member.name}"'
        raise Refused(f"{what} is {len(data)} bytes, limit {RESOURCE_BYTES_MAX}; last good kept", "E117")


def check_resource(key: str, resource: Resource, member: Member, reader: Member) -> None:
    """Refused when this member may not say this: E103 addresses, E104 names, E105 keys, E120 form."""
    if key != key_of(resource):
        raise Refused(f'resource "{key}" of member "{member.name}" calls itself "{key_of(resource)}"', "E120")
    match resource:
        case Gateway() | Sighting() | Egress():
            _check_underlay(resource, member, reader)
        case About() | Shift():
            _check_moves(resource, member)
        case Export() | Slice() | Numbers():
            _check_offer(resource, member, reader)
        case Demand() | Granted():
            _check_room(resource, member)
        case Evidence() | Distance() | Flat():
            _check_of_another(resource, member)
        case PublicName():
            _check_name(resource.name, member)
        case JwtKeys():
            _check_jwt_keys(resource, member)
        case Rotation() | Leave() | Seen():
            _check_trust(resource, member)


def _check_underlay(resource: Gateway | Sighting | Egress, member: Member, reader: Member) -> None:
    match resource:
        case Gateway():
            check_gateway(resource, member, reader)
        case Sighting():
            check_sighting(resource, member, reader)
        case Egress():
            check_egress(resource, member)


def _check_offer(resource: Export | Slice | Numbers, member: Member, reader: Member) -> None:
    where = f"service {resource.service} of member {member.name}"
    match resource:
        case Export():
            _check_service(resource.service, member)
            _check_ports(resource.ports, where)
            _check_once([f"{port.port}/{port.protocol}" for port in resource.ports], where)
            _check_traits(resource.traits, where)
            check_hint(resource, member)
        case Slice():
            _check_service(resource.service, member)
            _check_slice(resource, member)
            for endpoint in resource.endpoints:
                _check_address(endpoint.address, resource, member, reader)
        case Numbers():
            _check_numbers(resource, member)


def _check_room(resource: Demand | Granted, member: Member) -> None:
    """Anyone may ask for any service; only who may export it can take requests for it."""
    match resource:
        case Demand():
            _check_form(resource.service, member)
        case Granted():
            _check_service(resource.service, member)
    check_rates(resource, member)


def _check_moves(resource: About | Shift, member: Member) -> None:
    """A member may send away what is its own, and nobody else's."""
    if isinstance(resource, Shift):
        _check_shift(resource, member)
    else:
        check_about(resource)
    leaving = resource if isinstance(resource, Shift) else resource.leaving
    what = f'resource "{key_of(resource)[:160]}" of member "{member.name}"'
    if leaving is not None and not (0 <= leaving.since < 1 << 53 and 0 <= leaving.seconds <= SECONDS_MAX):
        said = f"{leaving.seconds} s since {leaving.since}"
        raise Refused(f"{what}: {said} is no time of a move (at most {SECONDS_MAX} s); last good kept", "E120")


def _check_shift(shift: Shift, member: Member) -> None:
    _check_form(shift.service, member)
    what = f'shift of {shift.service} by member "{member.name}"'
    if shift.source != member.name:
        raise Refused(f'{what}: from "{shift.source[:80]}", it may shift its own requests only; last good kept', "E102")
    if not is_label(shift.to) or shift.to == shift.source:
        raise Refused(f"{what}: to {shift.to[:80]!r} is to no other member; last good kept", "E114")
    if not 1 <= shift.ppm <= limits.PPM.high:
        raise Refused(f"{what}: {shift.ppm} ppm is not 1 to {limits.PPM.high}; last good kept", "E120")


def _check_trust(resource: Rotation | Leave | Seen, member: Member) -> None:
    match resource:
        case Rotation():
            _check_rotation(resource, member)
        case Leave():
            _check_leave(resource, member)
        case Seen():
            _check_seen(resource, member)


def _check_jwt_keys(keys: JwtKeys, member: Member) -> None:
    try:
        read_statement(keys.statement, member.trusted, constrained_to(member.anchor))
    except Refused as error:
        raise Refused(f"{error.text}; last good kept", error.code) from None


def _check_rotation(resource: Rotation, member: Member) -> None:
    for what in ("anchor", "next_anchor", "by_anchor", "by_next"):
        size = len(getattr(resource, what))
        if size > PEM_MAX:
            raise Refused(f'rotation of member "{member.name}": {what} of {size} bytes > {PEM_MAX}', "E117")
    for pem in filter(None, (resource.anchor, resource.next_anchor)):
        try:
            check_form(pem, constrained_to(member.anchor), member.name)
        except Refused as error:
            raise Refused(f"{error.text}; last good kept", error.code) from None


def _check_leave(resource: Leave, member: Member) -> None:
    if resource.number != member.number:
        raise Refused(
            f'leave of member "{member.name}": is of number {resource.number}, the ledger has {member.number}', "E120"
        )


def _check_seen(resource: Seen, member: Member) -> None:
    if not 0 <= resource.mark < 1 << 62:
        raise Refused(f'ledger seen by member "{member.name}": {resource.mark} is out of range', "E120")
    if len(resource.behind) > BEHIND_MAX or not all(map(is_label, resource.behind)):
        raise Refused(
            f'programs of member "{member.name}" that are behind: more than {BEHIND_MAX}, or no labels', "E114"
        )


def _check_of_another(resource: Evidence | Distance | Flat, member: Member) -> None:
    about = resource.about if isinstance(resource, Evidence) else resource.to
    what = f'resource "{key_of(resource)[:160]}" of member "{member.name}"'
    if not is_label(about) or about == member.name:
        raise Refused(f"{what}: is not about another member; last good kept", "E114")
    if not isinstance(resource, Flat):
        _check_observation(resource, what)


def _check_observation(resource: Evidence | Distance, what: str) -> None:
    number = resource.since if isinstance(resource, Evidence) else resource.cost
    if isinstance(resource, Evidence) and (resource.kind == "target") != is_host(resource.host):
        raise Refused(f"{what}: {resource.host[:80]!r} is not what a {resource.kind} needs; last good kept", "E114")
    if not 0 <= number < 1 << 40:
        raise Refused(f"{what}: {number} is out of range; last good kept", "E120")


def _check_name(name: GlobalName, member: Member) -> None:
    where = f'name "{name.host[:160]}" of member "{member.name}"'
    if not is_host(name.host) or not zone_of(name.host, member.dns_zones):
        granted = ", ".join(member.dns_zones) or "none"
        raise Refused(f"{where}: lies in no zone granted to it [{granted}]; last good kept", "E102")
    _check_service(name.service, member)
    check_name_policy(name, where)


def _check_slice(resource: Slice, member: Member) -> None:
    where = f"slice of {resource.service} of member {member.name}"
    _check_ports(resource.ports, where)
    if len(resource.endpoints) > SLICE_ENDPOINTS_MAX:
        text = f"{len(resource.endpoints)} endpoints in one slice > {SLICE_ENDPOINTS_MAX}; last good kept"
        raise Refused(f"{where}: {text}", "E118")
    names = {resource.az, *(endpoint.hostname for endpoint in resource.endpoints if endpoint.hostname)}
    bad = next((name for name in sorted(names) if not is_label(name)), None)
    if bad is not None:
        raise Refused(f"{where}: {bad[:80]!r} is not a DNS label; last good kept", "E114")


def _check_traits(traits: Traits, where: str) -> None:
    """What a ServiceImport of ours repeats must be what our API server takes."""
    if traits.session_affinity not in ("None", "ClientIP") or not 0 <= traits.affinity_seconds <= AFFINITY_SECONDS_MAX:
        said = f"{traits.session_affinity[:80]!r} of {traits.affinity_seconds} s"
        raise Refused(f"{where}: session affinity {said} is none; last good kept", "E120")
    if traits.internal_traffic_policy not in ("Cluster", "Local"):
        said = traits.internal_traffic_policy[:80]
        raise Refused(f"{where}: internalTrafficPolicy {said!r} is neither Cluster nor Local; last good kept", "E120")
    if traits.traffic_distribution and not is_value(traits.traffic_distribution):
        said = traits.traffic_distribution[:80]
        raise Refused(f"{where}: trafficDistribution {said!r} is no name; last good kept", "E120")
    if len(set(traits.families)) < len(traits.families):
        raise Refused(f"{where}: an IP family stands there twice; last good kept", "E120")
    for what, wrong in (("labels", label_fault(traits.labels)), ("annotations", annotation_fault(traits.annotations))):
        if wrong is not None:
            raise Refused(f"{where}: {what}: {wrong}; last good kept", "E120")


def _check_numbers(resource: Numbers, member: Member) -> None:
    _check_form(resource.service, member)
    if not all(is_label(name) and 1 <= number < 1 << 53 for name, number in resource.numbers.items()):
        raise Refused(f'numbers of {resource.service} by member "{member.name}": not members\' numbers', "E120")


def _check_service(service: ServiceKey, member: Member) -> None:
    _check_form(service, member)
    if not member.granted(service.namespace):
        raise Refused(
            f'service {service}: namespace "{service.namespace}" is not granted to member "{member.name}" '
            f"[{', '.join(member.namespaces)}]; last good kept",
            "E102",
        )


def _check_form(service: ServiceKey, member: Member) -> None:
    if not (is_label(service.namespace) and is_label(service.name)):
        raise Refused(f'service "{service}" of member "{member.name}": not a DNS label; last good kept', "E114")


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


def _check_ports(ports: tuple[Port, ...], where: str) -> None:
    if len(ports) > PORTS_MAX:
        raise Refused(f"{where}: {len(ports)} ports > {PORTS_MAX}; last good kept", "E118")
    for port in ports:
        check_number(port.port, f"{where}: port")
        if port.name and not is_label(port.name):
            raise Refused(f"{where}: port name {port.name[:80]!r} is not a DNS label; last good kept", "E114")
        if port.app_protocol and not is_key(port.app_protocol):
            raise Refused(f"{where}: appProtocol {port.app_protocol[:80]!r} is no name; last good kept", "E114")
    _check_once([port.name for port in ports], where)


def _check_once(said: Sequence[str], where: str) -> None:
    """Names of ports, and for a Service their numbers too, as core/v1 and discovery/v1 take them."""
    twice = next((one for index, one in enumerate(said) if one in said[:index]), None)
    if twice is not None:
        raise Refused(f"{where}: port {twice or 'without a name'} stands there twice; last good kept", "E120")


def check_quota(size: Mapping[str, int], member: Member) -> None:
    """Refused (E118) when the record would hold more of anything than the member's quota.

    Ports are counted because each takes a listener of every node: without a limit one member could take them all.
    """
    for what in QUOTAS:
        count, limit = size.get(what, 0), getattr(member.quota, what)
        if count > limit:
            what = what.replace("_per_second", " a second")
            raise Refused(f'member "{member.name}": {count} {what} > quota {limit}; last good kept', "E118")

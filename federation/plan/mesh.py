"""Who links with whom: our gateways for our record, our peers for our agents. Pure."""

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from ipaddress import ip_network

from federation.model.cidr import Network, forbidden_address, host_of, inside
from federation.model.flat import Egress, within
from federation.model.handout import Peer, PeerGateway, Place, Site, Witness
from federation.model.ledger import Ledger, Member
from federation.model.local import Outside
from federation.model.moves import Leaving
from federation.model.names import MemberName
from federation.model.overlay import RAILS, SLOTS, federation_of, gateway_address, rail_key, slot_endpoint
from federation.model.record import (
    ALTERNATES_MAX,
    BEHIND_MAX,
    About,
    Distance,
    Evidence,
    Gateway,
    Resource,
    Seen,
    Spare,
)
from federation.model.report import LinkReport, NodeReport, TargetReport
from federation.model.sighting import SIGHTED_MAX, Sighted, Sighting


def site(
    own: Member,
    ledger: Ledger,
    gateways: Mapping[str, int],
    rails: Mapping[str, int],
    zones: Mapping[str, int],
    issuer: str = "",
) -> Site:
    """Our own member as our agents see it."""
    return Site(
        member=own.name,
        number=own.number,
        domain=ledger.domain,
        region=own.region,
        anchor=own.trusted,
        overlay=own.overlay,
        gateways=dict(sorted(gateways.items())),
        rails=dict(sorted(rails.items())),
        issuer=issuer,
        ledger=ledger.mark,
        zones=dict(zones),
        reachable=own.reachable,
        local=own.local,
    )


def peer(member: Member, ledger: Ledger, view: Iterable[Resource], flat: tuple[str, ...] = ()) -> Peer:
    """Another member as our agents see it: its ledger entry and the gateways in its record; `flat` its pods' ranges, of
    which its record says what comes from where.
    """
    told = tuple(view)
    gateways = sorted((item for item in told if isinstance(item, Gateway)), key=lambda g: g.id)
    return Peer(
        member=member.name,
        number=member.number,
        region=member.region,
        trust_domain=ledger.trust_domain(member.name),
        anchor=member.trusted,
        overlay=member.overlay,
        flat=flat,
        egress=_egress(told, flat),
        gateways=tuple(
            PeerGateway(
                id=g.id,
                key=g.key,
                endpoint=g.endpoint,
                overlay=g.overlay,
                port=g.port,
                rail=g.rail,
                alternates=g.alternates,
                relay=g.relay,
                spare=g.spare,
            )
            for g in gateways
        ),
    )


def _egress(view: Iterable[Resource], flat: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    said = sorted((one.namespace, one.ranges) for one in view if isinstance(one, Egress))
    found = ((namespace, tuple(text for text in ranges if within(text, flat))) for namespace, ranges in said)
    return {namespace: ranges for namespace, ranges in found if ranges}


def further_endpoints(own: Member, report: NodeReport, outside: Outside, ledger: Ledger) -> tuple[str, ...]:
    """Where else a gateway is reached: as its agent was told, then as our cluster says.

    What the cluster says and peers would refuse is left out: they would refuse the whole gateway with it.
    """
    port = int(report.gateway_endpoint.rpartition(":")[2])
    addresses = (f"[{one}]:{port}" if ":" in one else f"{one}:{port}" for one in outside.addresses)
    others = (member for member in ledger.members.values() if member.name != own.name)
    refused = [ip_network(one) for member in others for one in member.reachable]
    refused.append(ip_network(federation_of(own.overlay)))
    found = [one for one in (*outside.endpoints, *addresses) if _is_usable(one, refused)]
    every = dict.fromkeys((*report.gateway_alternates, *found))
    return tuple(one for one in every if one != report.gateway_endpoint)[:ALTERNATES_MAX]


def _is_usable(endpoint: str, refused: Iterable[Network]) -> bool:
    host, port = host_of(endpoint), int(endpoint.rpartition(":")[2])
    return forbidden_address(host) is None and port <= 65_536 - SLOTS * RAILS and not inside(host, refused)


def rails_wanted(report: NodeReport) -> tuple[str, ...]:
    """The names of the rails that this gateway needs, its first key's first."""
    slots = (report.gateway_slot, *((SLOTS - 1 - report.gateway_slot,) if report.spare_key else ()))
    return tuple(rail_key(report.node, slot) for slot in slots)


def own_gateway(
    own: Member, number: int, rails: Mapping[str, int], report: NodeReport, further: tuple[str, ...] = ()
) -> Gateway | None:
    """The gateway that this report describes; None until the agent has a key and an endpoint, and a rail."""
    slot = report.gateway_slot
    rail = rails.get(rail_key(report.node, slot))
    if rail is None or not (report.wireguard_key and report.gateway_endpoint and report.gateway_port):
        return None
    return Gateway(
        id=number,
        node=report.node,
        key=report.wireguard_key,
        proof=report.wireguard_proof,
        endpoint=slot_endpoint(report.gateway_endpoint, slot),
        overlay=gateway_address(own.overlay, number),
        port=report.gateway_port,
        rail=rail,
        alternates=tuple(slot_endpoint(one, slot) for one in further),
        relay=report.gateway_relay,
        spare=_spare(rails, report, further),
    )


def _spare(rails: Mapping[str, int], report: NodeReport, further: tuple[str, ...]) -> Spare | None:
    """The other key, once it has a rail."""
    slot = SLOTS - 1 - report.gateway_slot
    rail = rails.get(rail_key(report.node, slot))
    if rail is None or not report.spare_key:
        return None
    return Spare(
        key=report.spare_key,
        proof=report.spare_proof,
        endpoint=slot_endpoint(report.gateway_endpoint, slot),
        rail=rail,
        alternates=tuple(slot_endpoint(one, slot) for one in further),
    )


def sightings(links: Mapping[int, Iterable[LinkReport]]) -> list[Sighting]:
    """What our record says of where our gateways, by their rails, hear those of other members."""
    found = (
        Sighting(member=link.member, gateway=link.gateway, rail=rail, endpoint=link.heard)
        for rail, reports in links.items()
        for link in reports
        if link.heard
    )
    return sorted(found, key=lambda one: (one.member, one.gateway, one.rail, one.endpoint))


def sighted(said: Mapping[int, Iterable[Resource]], members: Container[MemberName], own: Member) -> dict[str, Sighted]:
    """Where others hear the gateways of these members, as our gateways read it; `said` by their admission numbers. What
    they hear at an address of ours is another network's that has it too: for us it is our own pod's.

    An endpoint that more of them name comes before one that fewer name, else the eldest's: one liar among several adds
    an endpoint to try, and takes none away.
    """
    votes: dict[tuple[MemberName, int, int], Counter[str]] = {}
    ours = [ip_network(one) for one in (*own.reachable, *own.local)]
    for number in sorted(said):
        for item in said[number]:
            if isinstance(item, Sighting) and item.member in members and not inside(host_of(item.endpoint), ours):
                votes.setdefault((item.member, item.gateway, item.rail), Counter())[item.endpoint] += 1
    return {
        f"sighted/{member}/{gateway}/{rail}": Sighted(
            member=member,
            gateway=gateway,
            rail=rail,
            endpoints=tuple(endpoint for endpoint, _ in count.most_common(SIGHTED_MAX)),
        )
        for (member, gateway, rail), count in sorted(votes.items())
    }


def seen(mark: int, programs: Mapping[str, NodeReport | None]) -> Seen:
    """Up to which ledger our member trusts what the ledger says: the least of the controller's and its programs'.

    One that has not reported is at 0.
    """
    reached = {name: report.ledger if report else 0 for name, report in programs.items()}
    behind = sorted(name for name, at in reached.items() if at < mark)
    return Seen(min((mark, *reached.values())), tuple(behind[:BEHIND_MAX]))


def about(own: Member, version: str, leaving: Leaving | None, labels: Mapping[str, str]) -> About:
    """What our record says of ourselves."""
    return About(own.name, own.region, version, leaving, dict(sorted(labels.items())))


def place(member: Member, costs: Mapping[MemberName, int], own: bool = False) -> Place:
    """A member as a place where clients of public names may stand.

    Local ranges of members may overlap, so only our own tell where a client is.
    """
    return Place(
        member=member.name,
        number=member.number,
        region=member.region,
        subnets=(*member.reachable, *(member.local if own else ())),
        costs=dict(sorted(costs.items())),
        zones=member.dns_zones,
        nameservers=member.nameservers,
    )


def distances(view: Iterable[Resource], members: Container[str]) -> dict[MemberName, int]:
    """What a member's record says of what it costs to reach these others from there, in ms."""
    return {item.to: item.cost for item in view if isinstance(item, Distance) and item.to in members}


def witnesses(
    observer: MemberName, view: Iterable[Resource], members: Container[str], hosts: Container[str]
) -> dict[str, Witness]:
    """What a peer's record says of these members' targets for these hosts, as our DNS servers read it."""
    found = (
        item
        for item in view
        if isinstance(item, Evidence) and item.kind == "target" and item.about in members and item.host in hosts
    )
    return {f"witness/{observer}/target/{item.about}/{item.host}": Witness(observer, item) for item in found}


def own_witnesses(own: MemberName, evidence: Iterable[Evidence]) -> dict[str, Witness]:
    """What our own gateways find of links, as our DNS servers read it."""
    return {f"witness/{own}/link/{item.about}": Witness(own, item) for item in evidence if item.kind == "link"}


def link_evidence(links: Iterable[LinkReport]) -> list[Evidence]:
    """The members to which every link of every gateway of ours is down, since the last of them went."""
    by_member: dict[MemberName, list[LinkReport]] = {}
    for link in links:
        by_member.setdefault(link.member, []).append(link)
    return [
        Evidence(kind="link", about=member, since=max(link.since for link in found) // 1_000)
        for member, found in sorted(by_member.items())
        if not any(link.up for link in found)
    ]


def target_evidence(own: MemberName, servers: Iterable[Iterable[TargetReport]]) -> list[Evidence]:
    """The public targets of other members that each of our DNS servers finds down, since the last of them did."""
    said = [{(report.member, report.host): report.since for report in reports} for reports in servers]
    agreed = set.intersection(*(set(one) for one in said)) if said else set()
    return [
        Evidence(kind="target", about=member, host=host, since=max(one[(member, host)] for one in said))
        for member, host in sorted(agreed)
        if member != own
    ]

"""Who links with whom: our gateways for our record, our peers for our agents. Pure."""

from collections.abc import Container, Iterable, Mapping

from federation.model.handout import LinkReport, NodeReport, Peer, PeerGateway, Place, Site, TargetReport, Witness
from federation.model.ledger import Ledger, Member
from federation.model.moves import Leaving
from federation.model.names import MemberName
from federation.model.overlay import gateway_address
from federation.model.record import BEHIND_MAX, About, Distance, Evidence, Gateway, Resource, Seen


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
    )


def peer(member: Member, ledger: Ledger, view: Iterable[Resource]) -> Peer:
    """Another member as our agents see it: its ledger entry and the gateways in its record."""
    gateways = sorted((item for item in view if isinstance(item, Gateway)), key=lambda g: g.id)
    return Peer(
        member=member.name,
        number=member.number,
        region=member.region,
        trust_domain=ledger.trust_domain(member.name),
        anchor=member.trusted,
        overlay=member.overlay,
        gateways=tuple(
            PeerGateway(id=g.id, key=g.key, endpoint=g.endpoint, overlay=g.overlay, port=g.port, rail=g.rail)
            for g in gateways
        ),
    )


def own_gateway(own: Member, number: int, rail: int, report: NodeReport) -> Gateway | None:
    """The gateway that this report describes; None until the agent has a key and an endpoint."""
    if not (report.wireguard_key and report.gateway_endpoint and report.gateway_port):
        return None
    return Gateway(
        id=number,
        node=report.node,
        key=report.wireguard_key,
        proof=report.wireguard_proof,
        endpoint=report.gateway_endpoint,
        overlay=gateway_address(own.overlay, number),
        port=report.gateway_port,
        rail=rail,
    )


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

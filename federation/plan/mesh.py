"""Who links with whom: our gateways for our record, our peers for our agents. Pure."""

from collections.abc import Iterable, Mapping
from ipaddress import ip_network

from federation.model.handout import NodeReport, Peer, PeerGateway, Site
from federation.model.ledger import Ledger, Member
from federation.model.record import About, Gateway, Resource


def site(own: Member, ledger: Ledger, gateways: Mapping[str, int]) -> Site:
    """Our own member as our agents see it."""
    return Site(
        member=own.name,
        number=own.number,
        domain=ledger.domain,
        region=own.region,
        anchor=own.anchor,
        overlay=own.overlay,
        gateways=dict(sorted(gateways.items())),
    )


def peer(member: Member, ledger: Ledger, view: Iterable[Resource]) -> Peer:
    """Another member as our agents see it: its ledger entry and the gateways in its record."""
    gateways = sorted((item for item in view if isinstance(item, Gateway)), key=lambda g: g.id)
    return Peer(
        member=member.name,
        number=member.number,
        region=member.region,
        trust_domain=ledger.trust_domain(member.name),
        anchor=member.anchor,
        overlay=member.overlay,
        gateways=tuple(
            PeerGateway(id=g.id, key=g.key, endpoint=g.endpoint, overlay=g.overlay, port=g.port) for g in gateways
        ),
    )


def own_gateway(own: Member, number: int, report: NodeReport) -> Gateway | None:
    """The gateway that this report describes; None until the agent has a key and an endpoint."""
    if not (report.gateway_key and report.gateway_endpoint and report.gateway_port):
        return None
    return Gateway(
        id=number,
        node=report.node,
        key=report.gateway_key,
        endpoint=report.gateway_endpoint,
        overlay=gateway_address(own.overlay, number),
        port=report.gateway_port,
    )


def gateway_address(overlay: str, number: int) -> str:
    """Gateway i of a member has the i-th address of its overlay prefix (design section 8)."""
    return str(ip_network(overlay)[number])


def about(own: Member, version: str) -> About:
    """What our record says of ourselves."""
    return About(own.name, own.region, version)

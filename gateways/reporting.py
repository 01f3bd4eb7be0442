"""What the agent reports beside itself: its links, and own endpoints that fail. Made anew only when one moved."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from federation.model.names import ServiceKey
from federation.model.report import EndpointReport, EnvoyRefusal, NodeReport
from federation.probing.prober import Prober
from gateways import metrics
from gateways.checking import Sick
from gateways.probe.counters import link_reports
from gateways.probe.echo import EchoProber
from gateways.reach import Place
from gateways.services import service_of
from gateways.state import GATEWAY_PORT, Situation, Tunnel
from gateways.sync import Outcome
from gateways.xds.refusal import Refused

REFUSAL_MAX = 1_000
"""Characters of Envoy's words about one service."""


def refusal_reports(refused: Iterable[Refused]) -> Iterable[tuple[str, EnvoyRefusal]]:
    """One a service, with all that Envoy says of its resources; what is the node's own stands among its problems."""
    words: dict[ServiceKey, list[str]] = {}
    for one in refused:
        service = service_of(one.name)
        if service is not None:
            words.setdefault(service, []).append(f"{one.type_url.rpartition('.')[2]} {one.name}: {one.text}")
    for service, said in words.items():
        yield f"refused/{service}", EnvoyRefusal(service, "; ".join(said)[:REFUSAL_MAX])


def node_report(
    situation: Situation, underlay: tuple[str, ...], reached: bytes, problems: tuple[str, ...]
) -> NodeReport:
    """What an agent says of itself: who it is, and how far it is with what it was given."""
    spare = situation.spare
    return NodeReport(
        node=situation.node,
        role=situation.role,
        reached=reached,
        problems=problems,
        address=situation.address,
        wireguard_key=situation.public_key,
        wireguard_proof=situation.possession,
        gateway_endpoint=underlay[0] if underlay else "",
        gateway_alternates=underlay[1:],
        gateway_port=GATEWAY_PORT if situation.role == "gateway" else 0,
        gateway_inside=situation.inside,
        gateway_relay=situation.relay,
        gateway_slot=situation.slot,
        spare_key=spare.public_key if spare else b"",
        spare_proof=spare.possession if spare else b"",
        pods=situation.pods,
    )


class Reports:
    """`links`, `endpoints` and `refusals` by their keys in the report feed: each the same object until it is looked at
    anew.
    """

    def __init__(self, ways: EchoProber, checks: Prober[Sick], through: Callable[[], Mapping[Place, str]]) -> None:
        """`through` tells through which member a peer is reached, where it is through one."""
        self.links: dict[str, Struct] = {}
        self.endpoints: dict[str, Struct] = {}
        self.refusals: dict[str, Struct] = {}
        self._ways = ways
        self._through = through
        self._checks = checks
        self._linked: tuple[object, ...] = (None, None, None, None)
        self._failing: frozenset[Sick] = checks.failing
        self._refused: tuple[Refused, ...] = ()

    def look(self, tunnels: tuple[Tunnel, ...], outcome: Outcome) -> None:
        """Links anew when the device was read again or a way is another, endpoints when one fell or rose."""
        linked = (tunnels, outcome, self._ways.paths.standings(), self._ways.sizes.mtus)
        if any(now is not before for now, before in zip(linked, self._linked, strict=True)):
            self._linked = linked
            self.links = self._link_reports(tunnels, outcome)
            metrics.measure_links(self.links.values())
        if self._failing is not self._checks.failing:
            self._failing = self._checks.failing
            self.endpoints = {
                f"endpoint/{service}/{address}": self._report(service, address) for service, address in self._failing
            }

    def hear(self, refused: tuple[Refused, ...]) -> None:
        """Refusals anew when Envoy refuses something else than at the last look."""
        if refused != self._refused:
            self._refused = refused
            self.refusals = dict(refusal_reports(refused))

    def _link_reports(self, tunnels: tuple[Tunnel, ...], outcome: Outcome) -> dict[str, Struct]:
        ways = self._ways
        standing, mtus = ways.paths.standing, ways.sizes.mtus
        relays = {place: member for place, member in self._through().items() if place in outcome.relayed}
        heard = outcome.heard
        return dict(link_reports(tunnels, outcome.actual, time.time(), ways.trip, standing, mtus, heard, relays))

    def _report(self, service: ServiceKey, address: str) -> EndpointReport:
        return EndpointReport(service, address, self._checks.verdicts[(service, address)].since // 1_000)

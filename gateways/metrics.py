"""Prometheus metrics of the node agent."""

import time
from collections.abc import Iterable

from msgspec import Struct
from prometheus_client import Counter, Gauge

from federation.model.report import LinkReport
from federation.wire.handout import HandoutHead

HANDOUT_REVISION = Gauge("isthmus_agent_handout_revision", "Revision of the handout in force, 0 before the first.")
HANDOUT_AGE = Gauge("isthmus_agent_handout_age_seconds", "Seconds since the controller made the handout in force.")
CONTROLLER_CONNECTED = Gauge("isthmus_agent_controller_connected", "1 while a controller answers.")
ENVOY_CONNECTED = Gauge("isthmus_agent_envoy_connected", "1 while an Envoy is connected.")
IN_FORCE = Gauge("isthmus_agent_in_force", "1 while the whole handout is in force, kernel and Envoy read back.")
PROBLEMS = Gauge("isthmus_agent_problems", "How many things are wrong now.")
XDS_NACKS = Counter("isthmus_agent_xds_nacks", "Resources that Envoy refused.", ["type"])
XDS_STREAMS = Gauge("isthmus_agent_xds_central_streams", "Open streams on the central xDS port.")
XDS_REFUSALS = Counter("isthmus_agent_xds_central_refusals", "Streams that the central xDS port ended.", ["reason"])
REPAIRS = Counter("isthmus_agent_repairs", "Changes made because the kernel lost what was in force.", ["what"])
WORKLOAD_STREAMS = Gauge("isthmus_agent_workload_api_streams", "Open streams of the Workload API.")
WORKLOAD_REFUSALS = Counter("isthmus_agent_workload_api_refusals", "Refused calls of the Workload API.", ["reason"])
PASSES = Counter("isthmus_agent_passes", "Passes of the agent's loop.")
HANDSHAKE_AGE = Gauge(
    "isthmus_agent_wireguard_handshake_age_seconds",
    "Seconds since the last handshake, -1 when there was none.",
    ["member", "gateway"],
)
RX_BYTES = Gauge("isthmus_agent_wireguard_received_bytes", "Bytes received from the peer.", ["member", "gateway"])
TX_BYTES = Gauge("isthmus_agent_wireguard_sent_bytes", "Bytes sent to the peer.", ["member", "gateway"])

LINK_MTU = Gauge(
    "isthmus_agent_link_mtu_bytes",
    "Largest packet in the tunnel that passes; 0: not even 1,280, -1: not measured.",
    ["member", "gateway"],
)
LINK_UP = Gauge("isthmus_agent_link_up", "1 while probes come back over the link, both ways.", ["member", "gateway"])
LINK_RTT = Gauge("isthmus_agent_link_rtt_seconds", "Round trip over the link, -1: not known.", ["member", "gateway"])
LINK_JITTER = Gauge("isthmus_agent_link_jitter_seconds", "How round trips vary (RFC 3550).", ["member", "gateway"])
LINK_LOSS = Gauge("isthmus_agent_link_loss_ratio", "Part of the last 30 probes that was lost.", ["member", "gateway"])
LINK_RELAYED = Gauge(
    "isthmus_agent_link_relayed", "1 while the link goes through a third member.", ["member", "gateway"]
)
RELAYED = Counter("isthmus_agent_relayed_datagrams", "Datagrams of links through a third member.", ["outcome"])
OF_LINKS = (HANDSHAKE_AGE, RX_BYTES, TX_BYTES, LINK_MTU, LINK_UP, LINK_RTT, LINK_JITTER, LINK_LOSS, LINK_RELAYED)


def measure_handout(head: HandoutHead | None, connected: bool) -> None:
    """Show which handout is in force, how old it is, and whether a controller answers."""
    HANDOUT_REVISION.set(0 if head is None else head.revision)
    HANDOUT_AGE.set(0 if head is None else max(0, time.time() - head.made))
    CONTROLLER_CONNECTED.set(connected)


def measure_links(links: Iterable[Struct]) -> None:
    """Show these link reports, and no other link."""
    for gauge in OF_LINKS:
        gauge.clear()
    for link in links:
        if isinstance(link, LinkReport):
            labels = (link.member, str(link.gateway))
            HANDSHAKE_AGE.labels(*labels).set(link.handshake_age)
            RX_BYTES.labels(*labels).set(link.rx)
            TX_BYTES.labels(*labels).set(link.tx)
            LINK_MTU.labels(*labels).set(link.mtu)
            LINK_UP.labels(*labels).set(link.up)
            LINK_RTT.labels(*labels).set(seconds(link.rtt_us))
            LINK_JITTER.labels(*labels).set(seconds(link.jitter_us))
            LINK_LOSS.labels(*labels).set(link.loss / 100)
            LINK_RELAYED.labels(*labels).set(bool(link.relay))


def seconds(microseconds: int) -> float:
    """-1 stays what it is: not known."""
    return microseconds / 1_000_000 if microseconds >= 0 else -1

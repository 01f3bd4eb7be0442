"""The answers as a library: zone text in, response bytes out; no sockets, no files, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from gslb.client import client_of
from gslb.master import load_zone
from gslb.steer import Steering
from gslb.table import Table
from gslb.wire import respond

Transport = Literal["udp", "tcp"]


class Responder:
    """Answers from zones that never change: another one is made for other zones."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        """`texts` are zones in the master format (RFC 1035 section 5) by apex. InputError (E125) names the line."""
        zones = {apex: load_zone(text, apex, apex) for apex, text in texts.items()}
        self._steering = Steering(Table(zones, 0), {})

    def respond(self, query: bytes, client: str, transport: Transport = "udp") -> bytes | None:
        """The response to this message from this IP address; None where silence is right."""
        reply = respond(self._steering, query, client_of(client), transport == "tcp", 0)
        return None if reply is None else reply.data

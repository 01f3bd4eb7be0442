"""Strict SPIFFE IDs (SPIFFE-ID standard, sections 2.1 to 2.3).

OpenSSL lets an upper-case host and a port pass a URI name constraint, so every identity is parsed here, whole,
before anything compares it.
"""

import re

from msgspec import Struct

from federation.model.errors import InputError

_TRUST_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,253}[a-z0-9])?")
_SEGMENT = re.compile(r"[A-Za-z0-9._-]+")
ID_MAX = 2048


class SpiffeId(Struct, frozen=True, order=True):
    """One workload identity: the trust domain (a member) and its path segments."""

    trust_domain: str
    segments: tuple[str, ...]

    def __str__(self) -> str:
        return f"spiffe://{self.trust_domain}/{'/'.join(self.segments)}"


def parse_spiffe(text: str) -> SpiffeId:
    """A SPIFFE ID with a non-empty path; InputError for anything else, ports, queries and upper case included."""
    scheme, host, path = text[:9], *text[9:].partition("/")[::2]
    segments = tuple(path.split("/"))
    if (
        scheme != "spiffe://"
        or len(text) > ID_MAX
        or not _TRUST_DOMAIN.fullmatch(host)
        or ".." in host
        or not all(_SEGMENT.fullmatch(part) and part not in (".", "..") for part in segments)
    ):
        raise InputError(f'"{text[:80]}" is not a SPIFFE ID', "E105")
    return SpiffeId(host, segments)


def trust_domain(member: str, domain: str) -> str:
    """The trust domain of a member: one URI host each, since name constraints see only the host."""
    return f"{member}.{domain}"


def account(domain: str, namespace: str, name: str) -> SpiffeId:
    """`spiffe://<trust domain>/ns/<namespace>/sa/<account>` (design section 4)."""
    return SpiffeId(domain, ("ns", namespace, "sa", name))


SYSTEM = "isthmus"


def controller_id(member_domain: str) -> SpiffeId:
    """The identity of a member's controller."""
    return account(member_domain, SYSTEM, "controller")


def gateway_id(member_domain: str) -> SpiffeId:
    """The identity with which a member's gateway Envoys terminate mTLS."""
    return account(member_domain, SYSTEM, "gateway")


def xds_id(member_domain: str) -> SpiffeId:
    """The identity with which a member's central xDS port serves."""
    return account(member_domain, SYSTEM, "xds")


def agent_id(member_domain: str, node: str) -> SpiffeId:
    """The identity of one enrolled program (node agent, DNS server, central xDS port) towards its controller."""
    return account(member_domain, SYSTEM, f"agent-{node}")

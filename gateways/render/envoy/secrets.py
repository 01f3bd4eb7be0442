"""Secrets: leaves, and what to check the other side against. Both change without touching a cluster or a listener."""

from collections.abc import Iterable

from federation.model.handout import ForeignBundle
from gateways.render.envoy.common import (
    ANCHORS_SECRET,
    MEMBERS_KEPT,
    PEERS_SECRET,
    Json,
    anchor_secret,
    foreign_secret,
    shared,
)
from gateways.state import Admitted, Anchor


def certificate(name: str, chain: str, key: str) -> Json:
    """A leaf with its key, both PEM."""
    return {
        "name": name,
        "tls_certificate": {
            "certificate_chain": {"inline_string": chain},
            "private_key": {"inline_string": key},
        },
    }


def anchor(item: Anchor) -> Json:
    """One member's anchor: all that a connection to this member may be checked against."""
    return {"name": anchor_secret(item.member), "validation_context": {"trusted_ca": {"inline_string": item.pem}}}


def foreign(item: ForeignBundle) -> Json:
    """What a connection to a foreign trust domain may be checked against, for those who pin one by its name."""
    name = foreign_secret(item.trust_domain)
    return {"name": name, "validation_context": {"trusted_ca": {"inline_string": item.anchors}}}


def peers(anchors: Iterable[Anchor], admitted: Iterable[Admitted]) -> Json:
    """All peers' anchors, and that an identity must lie in one of their trust domains.

    That each anchor speaks only for its own domain is what its critical name constraints prove (design section 4).
    """
    admitted = tuple(admitted)
    names = [_of_domain(item.prefix) for item in admitted]
    return {
        "name": PEERS_SECRET,
        "validation_context": {
            "trusted_ca": {"inline_string": _bundle(anchors, admitted)},
            "match_typed_subject_alt_names": names,
        },
    }


@shared(MEMBERS_KEPT)
def _of_domain(prefix: str) -> Json:
    return {"san_type": "URI", "matcher": {"prefix": prefix}}


def peers_anchors(anchors: Iterable[Anchor], admitted: Iterable[Admitted]) -> Json:
    """All peers' anchors, for a port that says itself which identities it wants."""
    return {
        "name": ANCHORS_SECRET,
        "validation_context": {"trusted_ca": {"inline_string": _bundle(anchors, admitted)}},
    }


def _bundle(anchors: Iterable[Anchor], admitted: Iterable[Admitted]) -> str:
    wanted = {item.member for item in admitted}
    return "".join(a.pem.rstrip("\n") + "\n" for a in anchors if a.member in wanted)

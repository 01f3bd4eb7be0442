"""What a peer may say of where the packets of its namespaces come from. Pure."""

from federation.model.cidr import network_of
from federation.model.errors import Refused
from federation.model.flat import EGRESS_RANGES_MAX, Egress, within
from federation.model.ledger import Member
from federation.model.names import is_label


def check_egress(egress: Egress, member: Member) -> None:
    """Refused: E114 no namespace, E118 too many ranges, E120 no range, E103 a range that is not its own."""
    where = f'egress of namespace {egress.namespace[:80]!r} of member "{member.name}"'
    if not is_label(egress.namespace):
        raise Refused(f"{where}: is not a DNS label; last good kept", "E114")
    if len(egress.ranges) > EGRESS_RANGES_MAX:
        raise Refused(f"{where}: {len(egress.ranges)} ranges > {EGRESS_RANGES_MAX}; last good kept", "E118")
    for text in egress.ranges:
        try:
            network_of(text)
        except ValueError as error:
            raise Refused(f"{where}: {str(error)[:160]}; last good kept", "E120") from None
        if not within(text, member.reachable):
            listed = ", ".join(member.reachable) or "none"
            raise Refused(f"{where}: {text} is in none of its reachable ranges [{listed}]; last good kept", "E103")

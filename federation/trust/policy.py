"""Who may ask for which identity. Pure."""

from federation.model.errors import Refused
from federation.model.handout import Role, Workload
from federation.model.spiffe import SYSTEM, SpiffeId, account, agent_id, gateway_id, xds_id


def allowed_identities(
    trust_domain: str, node: str, role: Role, workloads: tuple[Workload, ...]
) -> frozenset[SpiffeId]:
    """Every identity that an enrolled program may hold: its own, the gateway's or the
    central xDS port's by role, its node's workloads'.

    The namespace `isthmus` is ours: no registration of a workload gives an identity in it.
    """
    own = {agent_id(trust_domain, node)}
    if role == "gateway":
        own.add(gateway_id(trust_domain))
    if role == "xds":
        own.add(xds_id(trust_domain))
    if role == "node":
        own.update(account(trust_domain, w.namespace, w.account) for w in workloads if w.namespace != SYSTEM)
    return frozenset(own)


def check_request(caller: SpiffeId, wanted: SpiffeId, allowed: frozenset[SpiffeId]) -> None:
    """Refused (E105) when the caller may not hold this identity."""
    if wanted not in allowed:
        raise Refused(f"{caller} may not be issued {wanted}", "E105")

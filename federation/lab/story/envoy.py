"""What a member's node proxy counts, by Envoy's admin interface."""

from federation.lab import api
from federation.lab.state import Lab

RETRIES = "upstream_rq_retry"


def retries(lab: Lab, member: str) -> int:
    """Requests that the node proxy of this member has sent again since it started; OSError when it does not answer."""
    text = api.text(lab.member(member) / "node" / "envoy-admin.sock", f"/stats?filter={RETRIES}$")
    return sum(int(line.rpartition(":")[2]) for line in text.splitlines() if ":" in line)

"""What `isthmus lab status` prints."""

import json
from typing import Any

from federation.lab import api, process
from federation.lab.shim import ask
from federation.lab.state import Lab
from federation.lab.topology import topology_of


def collect(lab: Lab) -> dict[str, Any]:
    """Programs with pid and whether they run, the WAN's settings and counts, each member's own status or
    None.
    """
    programs = {name: {"pid": one.pid, "runs": process.alive(one)} for name, one in sorted(lab.programs.items())}
    members: dict[str, Any] = {}
    for name in topology_of(lab.second).names if not lab.bare else ():
        try:
            members[name] = api.get(lab.member(name) / "state" / "api.sock", "/v1/status")
        except (OSError, ValueError):
            members[name] = None
    try:
        wan = ask(lab.wan_socket, {"op": "get"})["pairs"]
    except (OSError, ValueError):
        wan = None
    head = {
        "lab": lab.lab,
        "dir": lab.directory,
        "state": lab.state,
        "bare": lab.bare,
        "kubernetes": lab.kubernetes,
        "second": lab.second,
        "federation": lab.federation,
    }
    return {**head, "programs": programs, "wan": wan, "members": members}


def show_status(lab: Lab, output: str) -> str:
    """The text of `lab status`."""
    said = collect(lab)
    if output == "json":
        return json.dumps(said, indent=2)
    lines = [f"lab {said['lab']} in {said['dir']}: {said['state']}"]
    lines += [
        f"  {name:28} {'runs' if one['runs'] else 'ended':6} pid {one['pid']}" for name, one in said["programs"].items()
    ]
    for pair in said["wan"] or []:
        stopped = (", blocked" if pair["block"] else "") + (", cut" if pair["cut"] else "")
        lines.append(
            f"  WAN {pair['from']} -> {pair['to']}: {pair['delay_ms']:g} ms, {pair['loss_percent']:g} % loss{stopped}"
        )
    if said["wan"] is None:
        lines.append("  WAN does not answer")
    for name, status in said["members"].items():
        found = ["its API does not answer"] if status is None else api.problems(status, topology_of(lab.second).names)
        lines.append(f"  {name}: {'; '.join(found) or 'all well'}")
    return "\n".join(lines)

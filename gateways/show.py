"""What `run` would apply, as one document for people: commands, the nft transaction and Envoy's resources."""

import time
from pathlib import Path

from federation.lkg import ring
from federation.model.errors import InputError
from federation.wire.handout import HANDOUT, HANDOUT_TOPIC
from gateways.evidence import Evidence
from gateways.intent import intend
from gateways.render import routes, wireguard
from gateways.render.commands import route_command, rule_command, wireguard_command
from gateways.render.envoy.resources import Certificate, resources
from gateways.render.nft import replace_commands
from gateways.state import NodeState, Situation
from gateways.sync import wanted_of

HIDDEN = Certificate("(certificate)", "(hidden)")


def shown(directory: Path, situation: Situation) -> dict[str, object]:
    """The document for the handout on disk. InputError when there is none yet."""
    kept = ring.newest(directory / "lkg", HANDOUT_TOPIC)
    if kept is None:
        raise InputError(f"{directory}: no handout on disk yet; the agent has not reached its controller")
    return document(intend(situation, HANDOUT.decode_tree(kept.tree), Evidence(now=int(time.time() * 1_000))))


def document(state: NodeState) -> dict[str, object]:
    """The document for this state, as on a clean node where every certificate is at hand."""
    wanted = wanted_of(state)
    device = [step for one in wanted.wired for step in wireguard.changes(one.device, None)]
    link = [step for one in wanted.wired for step in routes.changes(one.link, None)]
    rules = [rule_command(step) for step in routes.rule_changes(wanted.tables, ())]
    certificates = {str(identity): HIDDEN for identity in state.identities}
    return {
        "problems": list(state.problems),
        "wireguard": [wireguard_command(step) for step in device],
        "routes": [*(route_command(step) for step in link), *rules],
        "nft": replace_commands(wanted.table),
        "envoy": resources(state, certificates),
    }

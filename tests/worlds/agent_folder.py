"""Agent folders as `isthmus enroll` and a controller would have left them: enrolled, leaves and a handout on disk."""

import time
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from federation.files import write_private
from federation.link.enrolled import Enrolled, save_enrolled
from federation.link.leaf import save_leaf
from federation.lkg import ring
from federation.model.handout import Role
from federation.model.spiffe import SpiffeId, agent_id
from federation.session.tree import tree_of
from federation.wire.handout import HANDOUT_TOPIC, HandoutHead
from federation.wire.keyed import encode
from tests.worlds.two_members import DOMAIN, MemberKeys


def make_folder(
    directory: Path,
    own: MemberKeys,
    role: Role,
    values: dict[str, Struct],
    identities: Iterable[SpiffeId],
    *,
    node: str = "",
    seed: bytes = b"",
    controllers: tuple[str, ...] = (),
) -> Path:
    """A folder for one agent whose controllers are dead, unless they are named. A gateway has the member's WireGuard key, or this seed's."""
    node = node or f"{own.name}-{role}"
    enrolled = Enrolled(
        node=node, role=role, member=own.name, domain=DOMAIN, controllers=controllers, anchor=own.anchor
    )
    save_enrolled(directory, enrolled)
    save_leaf(directory / "leaf.json", own.leaf(agent_id(own.domain, node)))
    for identity in identities:
        save_leaf(directory / "svid" / f"{'.'.join(identity.segments)}.json", own.leaf(identity))
    if role == "gateway" or seed:
        write_private(directory / "wireguard.key", seed or own.seed)
    keep_handout(directory, own, values, 1)
    return directory


def keep_handout(directory: Path, own: MemberKeys, values: dict[str, Struct], revision: int) -> None:
    """Put this handout on disk as the last known good."""
    tree = tree_of({key: encode(value) for key, value in values.items()})
    head = msgspec.msgpack.encode(HandoutHead(own.name, revision, int(time.time())))
    ring.Ring(directory / "lkg", HANDOUT_TOPIC).keep(head, tree, int(time.time()))

"""A peer's record as we hold it: the exact bytes, and the view of it that passed the rules."""

from collections import Counter
from collections.abc import Iterable
from typing import cast

from federation.model.errors import Refused
from federation.model.flat import Egress, Flat
from federation.model.ledger import Member
from federation.model.moves import Shift
from federation.model.record import (
    Demand,
    Distance,
    Evidence,
    Export,
    Gateway,
    Granted,
    Head,
    PublicName,
    Resource,
    Slice,
)
from federation.model.sighting import Sighting
from federation.session.session import KEY_BYTES
from federation.session.tree import Change, Tree, compare, tree_of
from federation.sync.rules import check_head, check_quota, check_resource, check_size
from federation.wire.keyed import encode
from federation.wire.record import RECORD

REFUSALS_MAX = 1_000


class HeldRecord:
    """What one peer says. `view` holds what passed, `refusals` the error of each resource that did not."""

    def __init__(self, member: Member, reader: Member) -> None:
        self._reader = reader
        self.member = member
        self.tree = Tree()
        self.head: Head | None = None
        self.signed = b""
        self.view: dict[str, Resource] = {}
        self.refusals: dict[str, Refused] = {}
        self._size: Counter[str] = Counter()

    @property
    def root(self) -> bytes:
        """The root of what is held; nothing before the first record."""
        return self.tree.root if self.head is not None else b""

    def take(self, signed: bytes, tree: Tree) -> Change:
        """Move to this content; the cost is that of the change. Refused when head or quota fail: nothing moves then."""
        head = check_head(signed, self.member, tree.root, self.head)
        change = compare(self.tree, tree)
        passed, refused = self._judge(change)
        if len(refused) + len(self.refusals) > REFUSALS_MAX:
            text = f'member "{self.member.name}": more than {REFUSALS_MAX} refused resources; last good kept'
            raise Refused(text, "E118")
        gone = [self.view[key] for key in (*change.removed, *passed) if key in self.view]
        size = Counter(self._size)
        size.update(_size(passed.values()))
        size.subtract(_size(gone))
        size["bytes"] += _grown(self.tree, change)
        check_quota(size, self.member)
        for key in (*change.removed, *change.changed):
            self.refusals.pop(key, None)
        for key in change.removed:
            self.view.pop(key, None)
        self.view.update(passed)
        self.refusals.update(refused)
        self.head, self.signed, self.tree = head, signed, tree
        self._size = size
        return change

    def last_good(self) -> Tree:
        """The resources in the view that stand for refused ones: what a restart could not find in the record."""
        return tree_of({key: encode(self.view[key]) for key in self.refusals if key in self.view})

    def recall(self, good: Tree) -> None:
        """Take back, after a restart, what stood for resources that are refused. It is judged again."""
        wanted = {key: data for key, data in good.items() if key in self.refusals and key not in self.view}
        passed, _ = self._judge(Change(wanted, frozenset()))
        self.view.update(passed)
        self._size.update(_size(passed.values()))

    def _judge(self, change: Change) -> tuple[dict[str, Resource], dict[str, Refused]]:
        passed: dict[str, Resource] = {}
        refused: dict[str, Refused] = {}
        for key, data in change.changed.items():
            try:
                check_size(key, data, self.member)
                resource = cast(Resource | None, RECORD.decode(key, data))
                if resource is not None:
                    check_resource(key, resource, self.member, self._reader)
                    passed[key] = resource
            except Refused as error:
                refused[key] = error
        return passed, refused


def _grown(tree: Tree, change: Change) -> int:
    """By how many bytes the record grows with this change."""
    old = ((key, tree.get(key)) for key in (*change.changed, *change.removed))
    gone = sum(KEY_BYTES + len(key) + len(data) for key, data in old if data is not None)
    return sum(KEY_BYTES + len(key) + len(data) for key, data in change.changed.items()) - gone


def _size(resources: Iterable[Resource]) -> Counter[str]:
    """What these resources take of the member's quota."""
    size: Counter[str] = Counter()
    for item in resources:
        if isinstance(item, Export):
            size.update(services=1, ports=len(item.ports))
        elif isinstance(item, Slice):
            size.update(endpoints=len(item.endpoints))
        elif isinstance(item, Gateway):
            size.update(gateways=1)
        elif isinstance(item, PublicName):
            probe = item.name.policy.probe
            each = probe.each if probe else ()
            size.update(names=1, probes_per_second=sum(-(-1_000 // one.interval_ms) for one in each))
        elif isinstance(item, Evidence | Distance | Sighting | Flat | Egress):
            size.update(evidence=1)
        elif isinstance(item, Demand | Granted | Shift):
            size.update(rates=1)
    return size

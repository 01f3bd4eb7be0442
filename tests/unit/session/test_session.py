"""Two ends wired back to back in memory."""

import random

import msgspec
import pytest

from federation.model.errors import Refused
from federation.session.messages import VERSION, Ack, Hello, Update, encode
from federation.session.session import (
    DIGEST_PERIOD,
    PART_BYTES,
    SILENT_PERIODS,
    TOPICS_MAX,
    Acked,
    Event,
    Joined,
    Offered,
    Session,
)
from federation.session.tree import Change, Tree, tree_of

TOPIC = "record/eu-central"
NOTHING = Change({}, frozenset())


SILENCE = SILENT_PERIODS * DIGEST_PERIOD


class Pair:
    """A writer and a reader; the reader accepts what `judge` does not refuse."""

    def __init__(self, held: Tree | None = None) -> None:
        self.now = 0.0
        self.writer = Session("writer", self.now)
        self.reader = Session("reader", self.now, {TOPIC: held} if held else None)
        self.taken: list[Offered] = []
        self.acked: list[Acked] = []
        self.joined: set[int] = set()
        self.refuse = ""
        self.sent = 0

    def flow(self, limit: int = 10_000) -> None:
        """Deliver up to this many messages each way."""
        for _ in range(limit):
            moved = self.deliver_one(self.writer, self.reader)
            if not (self.deliver_one(self.reader, self.writer) or moved):
                return

    def deliver_one(self, source: Session, target: Session) -> int:
        """The size of the message that was delivered; 0 when there was none."""
        data = source.take()
        if data is not None:
            self.sent += len(data) if source is self.writer else 0
            for event in target.receive(data, self.now):
                self.handle(target, event)
        return len(data or b"")

    def handle(self, session: Session, event: Event) -> None:
        if isinstance(event, Joined):
            self.joined.add(event.version)
        if isinstance(event, Acked):
            self.acked.append(event)
        if not isinstance(event, Offered):
            return
        self.taken.append(event)
        if self.refuse:
            session.refuse(event.topic, Refused("no", self.refuse))
        else:
            session.accept(event.topic)


def test_both_ends_say_who_they_are() -> None:
    session = Session("a", 0.0)
    assert session.receive(encode(Hello("b", 1, 1, {})), 0.0) == [Joined("b", 1)]


def test_a_step_arrives_whole_with_its_head() -> None:
    pair = Pair()
    tree = tree_of({"about": b"x", "export/shop/web": b"y"})
    pair.writer.publish(TOPIC, tree, b"head")
    pair.flow()
    assert [(offer.head, offer.tree.root) for offer in pair.taken] == [(b"head", tree.root)]


def test_only_the_change_is_sent() -> None:
    pair = Pair()
    tree = tree_of({f"slice/shop/web/{n}": bytes(100) for n in range(1000)})
    pair.writer.publish(TOPIC, tree, b"1")
    pair.flow()
    pair.sent = 0
    pair.writer.publish(TOPIC, tree.put("slice/shop/web/1", b"new").drop("slice/shop/web/2"), b"2")
    pair.flow()
    assert pair.sent < 300
    assert pair.taken[-1].change.changed == {"slice/shop/web/1": b"new"}
    assert pair.taken[-1].change.removed == {"slice/shop/web/2"}


def test_changes_coalesce_while_the_reader_is_slow() -> None:
    pair = Pair()
    tree = Tree()
    for number in range(100):
        tree = tree.put("a", b"%d" % number)
        pair.writer.publish(TOPIC, tree, b"%d" % number)
        if number == 0:
            pair.deliver_one(pair.reader, pair.writer)
            pair.deliver_one(pair.writer, pair.reader)
            pair.deliver_one(pair.writer, pair.reader)
    pair.flow()
    assert [offer.head for offer in pair.taken] == [b"0", b"99"]


def test_what_waits_for_a_reader_that_reads_nothing_is_one_step_however_much_changes() -> None:
    pair = Pair()
    pair.flow()
    pair.writer.publish(TOPIC, tree_of({"a": b"0000"}), b"0000")
    under_way = pair.writer.take()
    assert under_way is not None
    for number in range(1, 1_000):
        pair.writer.publish(TOPIC, tree_of({"a": b"%04d" % number}), b"%04d" % number)
        assert (pair.writer.backlog, pair.writer.take()) == (0, None)
    for event in pair.reader.receive(under_way, pair.now):
        pair.handle(pair.reader, event)
    pair.flow()
    assert [offer.head for offer in pair.taken] == [b"0000", b"0999"]


def test_a_reader_that_comes_with_the_content_in_force_is_sent_its_head_alone() -> None:
    tree = tree_of({f"k{n}": bytes(50) for n in range(500)})
    pair = Pair(held=tree)
    pair.writer.publish(TOPIC, tree, b"1")
    pair.flow()
    assert [(offer.head, offer.tree.root, offer.change) for offer in pair.taken] == [(b"1", tree.root, NOTHING)]
    assert pair.sent < 300


def test_a_reader_that_comes_with_the_content_in_force_of_a_topic_without_heads_is_sent_nothing() -> None:
    tree = tree_of({"about": b"x"})
    pair = Pair(held=tree)
    pair.writer.publish(TOPIC, tree, b"")
    pair.flow()
    assert pair.taken == []


def test_content_that_went_and_came_back_while_the_reader_was_slow_is_told_by_its_later_head() -> None:
    pair = Pair()
    old, new = tree_of({"about": b"old"}), tree_of({"about": b"new"})
    pair.writer.publish(TOPIC, old, b"1")
    pair.flow()
    pair.writer.publish(TOPIC, new, b"2")
    pair.writer.publish(TOPIC, old, b"3")
    pair.flow()
    pair.writer.publish(TOPIC, old, b"3")
    pair.flow()
    assert [(offer.head, offer.tree.root) for offer in pair.taken] == [(b"1", old.root), (b"3", old.root)]


def test_content_that_was_refused_is_offered_anew_under_a_later_head() -> None:
    pair = Pair()
    pair.refuse = "E109"
    tree = tree_of({"about": b"x"})
    pair.writer.publish(TOPIC, tree, b"1")
    pair.flow()
    pair.refuse = ""
    pair.writer.publish(TOPIC, tree, b"2")
    pair.flow()
    assert [offer.head for offer in pair.taken] == [b"1", b"2"]


def test_a_head_that_was_refused_leaves_the_content_that_is_held_and_is_not_sent_again() -> None:
    pair = Pair()
    tree = tree_of({"about": b"x"})
    pair.writer.publish(TOPIC, tree, b"1")
    pair.flow()
    pair.refuse = "E105"
    for _ in range(2):
        pair.writer.publish(TOPIC, tree, b"2")
        pair.flow()
    pair.refuse = ""
    pair.writer.publish(TOPIC, tree.put("more", b"y"), b"3")
    pair.flow()
    assert [(offer.head, set(offer.change.changed)) for offer in pair.taken] == [
        (b"1", {"about"}),
        (b"2", set()),
        (b"3", {"more"}),
    ]


def test_a_reader_that_is_behind_gets_a_delta_when_its_content_is_remembered() -> None:
    old = tree_of({f"k{n}": bytes(50) for n in range(500)})
    new = old.put("k1", b"new")
    pair = Pair(held=old)
    pair.writer.remember(old)
    pair.writer.publish(TOPIC, new, b"2")
    pair.flow()
    assert pair.sent < 300
    assert pair.taken[0].tree.root == new.root


def test_a_reader_that_holds_something_unknown_gets_everything() -> None:
    pair = Pair(held=tree_of({"alien": b"1"}))
    new = tree_of({"about": b"x"})
    pair.writer.publish(TOPIC, new, b"1")
    pair.flow()
    assert pair.taken[0].tree.root == new.root
    assert pair.taken[0].change.removed == {"alien"}


def test_a_refused_step_is_not_sent_again_until_it_changes() -> None:
    pair = Pair()
    pair.refuse = "E103"
    tree = tree_of({"about": b"bad"})
    pair.writer.publish(TOPIC, tree, b"1")
    pair.flow()
    pair.writer.publish(TOPIC, tree, b"1")
    pair.flow()
    assert len(pair.taken) == 1
    assert pair.acked == [Acked(TOPIC, None, "E103", "no")]
    pair.refuse = ""
    pair.writer.publish(TOPIC, tree.put("about", b"good"), b"2")
    pair.flow()
    assert [offer.head for offer in pair.taken] == [b"1", b"2"]


def test_a_large_step_travels_in_parts_and_arrives_whole() -> None:
    pair = Pair()
    tree = tree_of({f"k{n}": bytes(PART_BYTES // 3) for n in range(10)})
    pair.writer.publish(TOPIC, tree, b"1")
    pair.flow()
    assert len(pair.taken) == 1
    assert pair.taken[0].tree.root == tree.root


def test_a_step_beyond_the_readers_bound_breaks_the_session() -> None:
    reader = Session("reader", 0.0, step_bytes=1_000)
    with pytest.raises(Refused) as caught:
        for number in range(2):
            part = {f"k{number}": bytes(600)}
            update = Update(topic=TOPIC, base=None, root=b"x" * 32, head=b"", changed=part, last=False)
            reader.receive(encode(update), 0.0)
    assert str(caught.value) == 'E117 topic "record/eu-central": a step of more than 1000 bytes'


def test_a_line_of_10_kbit_a_second_is_slow_and_not_dead() -> None:
    pair = Pair()
    tree = tree_of({f"slice/shop/web/{n}": bytes(500) for n in range(200)})
    pair.writer.publish(TOPIC, tree, b"1")
    while not pair.taken:
        pair.now += max(0.1, pair.deliver_one(pair.writer, pair.reader) / 1_250)
        pair.deliver_one(pair.reader, pair.writer)
        assert pair.reader.tick(pair.now) and pair.writer.tick(pair.now)
    assert pair.taken[0].tree.root == tree.root
    assert pair.now > 5 * SILENCE


def test_keys_without_values_count_for_what_they_cost() -> None:
    reader = Session("reader", 0.0, step_bytes=100_000)
    with pytest.raises(Refused) as caught:
        for number in range(10):
            part = {f"{number}{n}": b"" for n in range(100)}
            reader.receive(
                encode(Update(topic=TOPIC, base=None, root=b"x" * 32, head=b"", changed=part, last=False)), 0.0
            )
    assert str(caught.value) == 'E117 topic "record/eu-central": a step of more than 100000 bytes'


def test_c10_an_end_that_asks_again_and_again_makes_us_keep_nothing() -> None:
    """Each says that it holds nothing, or something else, and reads nothing of what that would have it sent."""
    pair = Pair()
    tree = tree_of({f"k{n}": bytes(1_000) for n in range(1_000)})
    pair.writer.publish(TOPIC, tree, b"1")
    pair.flow()
    for number in range(1_000):
        pair.writer.receive(encode(Ack(TOPIC, None if number % 2 else bytes(32))), 0.0)
        pair.writer.withdraw(TOPIC)
        pair.writer.publish(TOPIC, tree, b"1")
    pair.sent = 0
    pair.flow()
    assert pair.sent < 2.5 * 1_000_000
    assert pair.reader.take() is None and pair.writer.take() is None


def test_a_digest_between_the_parts_of_a_step_starts_nothing_anew() -> None:
    pair = Pair()
    pair.flow()
    tree = tree_of({f"k{n}": bytes(PART_BYTES // 3) for n in range(30)})
    pair.writer.publish(TOPIC, tree, b"1")
    pair.deliver_one(pair.writer, pair.reader)
    pair.writer.tick(DIGEST_PERIOD)
    pair.flow()
    assert [offer.tree.root for offer in pair.taken] == [tree.root]
    assert pair.sent < 1.2 * 30 * PART_BYTES // 3


def test_content_that_does_not_hash_to_its_root_breaks_the_session() -> None:
    reader = Session("reader", 0.0)
    update = Update(topic=TOPIC, base=None, root=b"x" * 32, head=b"", changed={"a": b"1"})
    with pytest.raises(Refused) as caught:
        reader.receive(encode(update), 0.0)
    assert str(caught.value) == ('E120 topic "record/eu-central": the content does not hash to the root that was sent')


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x00" * 40, encode(Hello("x", 1, 1, {}))[:-1]])
def test_bytes_that_are_no_message_break_the_session(data: bytes) -> None:
    with pytest.raises(Refused, match="E120 undecodable session message"):
        Session("reader", 0.0).receive(data, 0.0)


def test_a_flood_of_topics_breaks_the_session() -> None:
    reader = Session("reader", 0.0)
    with pytest.raises(Refused) as caught:
        for number in range(TOPICS_MAX + 1):
            root = tree_of({"a": b"1"}).root
            reader.receive(encode(Update(topic=f"t{number}", base=None, root=root, head=b"", changed={"a": b"1"})), 0.0)
    assert str(caught.value) == 'E117 topic "t64": more than 64 topics on one session'


@pytest.mark.parametrize(
    ("oldest", "newest", "do"), [(4, 7, "upgrade this end"), (1, 1, "upgrade it"), (5, 4, "upgrade this end")]
)
def test_another_version_is_refused_with_both_named(oldest: int, newest: int, do: str) -> None:
    with pytest.raises(Refused) as caught:
        Session("reader", 0.0, versions=(2, 3)).receive(encode(Hello("other", oldest, newest, {})), 0.0)
    assert (
        str(caught.value) == f'E124 "other" speaks session versions {oldest} to {newest}, we speak 2 to 3; {do} first'
    )


@pytest.mark.parametrize("newer", ["writer", "reader"])
def test_this_version_and_the_next_speak_the_older_of_both(newer: str) -> None:
    pair = Pair()
    setattr(pair, newer, Session(newer, 0.0, versions=(VERSION, VERSION + 1)))
    tree = tree_of({"about": b"x"})
    pair.writer.publish(TOPIC, tree, b"1")
    pair.flow()
    assert [offer.tree.root for offer in pair.taken] == [tree.root]
    assert pair.joined == {VERSION}


def test_a_field_that_the_next_version_adds_to_a_message_is_passed_over() -> None:
    session = Session("reader", 0.0)
    later = msgspec.msgpack.decode(encode(Hello("writer", VERSION, VERSION + 1, {}))) | {"compression": ["zstd"]}
    assert session.receive(msgspec.msgpack.encode(later), 0.0) == [Joined("writer", VERSION)]


def test_silence_is_noticed_and_digests_break_it() -> None:
    pair = Pair()
    pair.flow()
    assert pair.reader.tick(SILENCE - 0.01)
    assert not pair.reader.tick(SILENCE)
    pair.now = DIGEST_PERIOD
    pair.writer.tick(pair.now)
    pair.flow()
    assert pair.reader.tick(SILENCE)


def test_a_digest_repairs_a_reader_that_lost_its_content() -> None:
    pair = Pair()
    tree = tree_of({"about": b"x"})
    pair.writer.publish(TOPIC, tree, b"1")
    pair.flow()
    pair.reader._incoming[TOPIC].tree = None
    pair.now = DIGEST_PERIOD
    pair.writer.tick(pair.now)
    pair.flow()
    assert [offer.tree.root for offer in pair.taken] == [tree.root, tree.root]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_schedule_the_reader_ends_with_the_last_content(seed: int) -> None:
    chance = random.Random(seed)
    pair = Pair()
    tree, earlier = Tree(), [Tree()]
    for step in range(200):
        key = f"k{chance.randrange(60)}"
        tree = tree.drop(key) if chance.random() < 0.3 else tree.put(key, b"%d" % step)
        tree = chance.choice(earlier[-3:]) if chance.random() < 0.3 else tree
        earlier.append(tree)
        pair.writer.publish(TOPIC, tree, b"%d" % step)
        for _ in range(chance.randrange(3)):
            ends = (pair.writer, pair.reader)
            source, target = ends if chance.random() < 0.5 else ends[::-1]
            pair.deliver_one(source, target)
        if chance.random() < 0.1:
            pair.now += DIGEST_PERIOD
            pair.writer.tick(pair.now)
    pair.flow()
    held = pair.reader._incoming[TOPIC].tree
    assert held is not None
    assert (held.root, pair.taken[-1].head) == (tree.root, b"199")

"""Threat model C10: what a peer can make one end of a session keep or say, when it asks and does not read."""

from collections.abc import Iterator

import pytest

from federation.model.errors import Refused
from federation.session import session as session_module
from federation.session.messages import Ack, Digest, Hello, Update, encode
from federation.session.session import ANSWERS_MAX, PART_BYTES, TOPIC_NAME_MAX, WAITING_MAX, Acked, Session
from federation.session.tree import Tree, tree_of

TOPIC = "record/us-east"
LARGE = tree_of({f"k{number}": bytes(PART_BYTES) for number in range(50)})
GREETING = encode(Hello("eu-central", 1, 1, {}))
AGAIN = encode(Ack(TOPIC, None))


def greeted() -> Session:
    session = Session("us-east", 0.0)
    session.receive(GREETING, 0.0)
    return session


def digests() -> Iterator[bytes]:
    yield encode(Update(topic="t", base=None, root=tree_of({"a": b"1"}).root, head=b"", changed={"a": b"1"}))
    while True:
        yield encode(Digest({"t": b"x" * 32}))


def baseless() -> Iterator[bytes]:
    while True:
        yield encode(Update(topic="t", base=b"x" * 32, root=b"y" * 32, head=b"", changed={}))


@pytest.mark.parametrize("asking", [digests, baseless])
def test_c10_who_asks_and_does_not_read_loses_the_session(
    asking: "type[Iterator[bytes]]", monkeypatch: pytest.MonkeyPatch
) -> None:
    def flood(session: Session) -> None:
        questions = asking()
        for _ in range(4 * ANSWERS_MAX):
            for event in session.receive(next(questions), 0.0):
                session.accept(event.topic)  # type: ignore[union-attr]

    with pytest.raises(Refused) as caught:
        flood(greeted())
    assert str(caught.value) == f"E117 peer asks and does not read: more than {ANSWERS_MAX} answers wait for it"
    monkeypatch.setattr(session_module, "ANSWERS_MAX", 2**40)
    endless = greeted()
    flood(endless)
    assert len(endless.output) >= 4 * ANSWERS_MAX - 1


def test_c10_who_reads_may_ask_as_long_as_it_likes() -> None:
    session, questions = greeted(), baseless()
    for _ in range(4 * ANSWERS_MAX):
        session.receive(next(questions), 0.0)
        session.output.clear()


def test_c10_an_answer_to_what_was_not_yet_sent_makes_nothing_be_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def flooded() -> int:
        session = greeted()
        session.publish(TOPIC, LARGE, b"")
        for _ in range(100):
            assert session.receive(AGAIN, 0.0) in ([], [Acked(TOPIC, None, "", "")])
        return len(session.output)

    once = flooded()
    assert once == len(greeted().output) + 51
    monkeypatch.setattr("federation.session.outbox.Outbox.gone", lambda *_: True)
    assert flooded() > 10 * once


def test_c10_topics_that_come_and_go_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def flooded() -> int:
        session = greeted()
        for _ in range(200):
            session.publish(TOPIC, LARGE, b"")
            session.withdraw(TOPIC)
        return len(session.output)

    assert flooded() <= WAITING_MAX + 50
    monkeypatch.setattr(session_module, "WAITING_MAX", 2**40)
    assert flooded() > 9 * WAITING_MAX


def test_a_step_that_was_held_back_is_made_when_the_way_is_free() -> None:
    session = greeted()
    for number in range(WAITING_MAX // 50 + 2):
        session.publish(f"t{number}", LARGE, b"")
    last = f"t{WAITING_MAX // 50 + 1}"
    assert not any(last.encode() in message[:40] for message in session.output)
    session.output.clear()
    assert session.go_on()
    assert any(last.encode() in message[:40] for message in session.output)
    session.output.clear()
    assert not session.go_on()


def test_c10_an_answer_to_nothing_is_no_event() -> None:
    session = greeted()
    session.publish(TOPIC, Tree(), b"")
    session.output.clear()
    assert session.receive(encode(Ack(TOPIC, Tree().root)), 0.0) == [Acked(TOPIC, Tree().root, "", "")]
    assert session.receive(encode(Ack(TOPIC, Tree().root, "E105", "no")), 0.0) == []


def test_c10_a_topic_has_a_short_name() -> None:
    with pytest.raises(Refused) as caught:
        greeted().receive(encode(Update(topic="t" * 256, base=None, root=b"", head=b"", changed={})), 0.0)
    assert str(caught.value) == f"E117 a topic's name of 256 characters, limit {TOPIC_NAME_MAX}"

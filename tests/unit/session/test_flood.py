"""Threat model C10: what a peer can make one end of a session say of it. (That it makes us keep nothing: `test_session.py`.)"""

import pytest

from federation.model.errors import Refused
from federation.session.messages import Ack, Hello, Update, encode
from federation.session.session import TOPIC_NAME_MAX, Acked, Session
from federation.session.tree import Tree

TOPIC = "record/us-east"


@pytest.fixture
def session() -> Session:
    made = Session("us-east", 0.0)
    made.receive(encode(Hello("eu-central", 1, 1, {})), 0.0)
    return made


def test_c10_an_answer_to_nothing_is_no_event(session: Session) -> None:
    session.publish(TOPIC, Tree(), b"")
    while session.take() is not None:
        pass
    assert session.receive(encode(Ack(TOPIC, Tree().root)), 0.0) == [Acked(TOPIC, Tree().root, "", "")]
    assert session.receive(encode(Ack(TOPIC, Tree().root, "E105", "no")), 0.0) == []


def test_c10_a_topic_has_a_short_name(session: Session) -> None:
    with pytest.raises(Refused) as caught:
        session.receive(encode(Update(topic="t" * 256, base=None, root=b"", head=b"", changed={})), 0.0)
    assert str(caught.value) == f"E117 a topic's name of 256 characters, limit {TOPIC_NAME_MAX}"

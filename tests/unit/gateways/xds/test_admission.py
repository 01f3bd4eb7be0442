"""Who may open a stream on the central port, and when."""

import pytest

from federation.model.errors import Unavailable
from gateways.xds.admission import Admission, Limits

WEB, DB = "spiffe://us/ns/shop/sa/web", "spiffe://us/ns/shop/sa/db"


def test_a_burst_passes_at_once_and_the_rest_in_turn() -> None:
    admission = Admission(Limits(burst=3, rate=10))
    waits = [admission.enter(WEB, 100.0) for _ in range(6)]
    assert [round(wait, 3) for wait in waits] == [0, 0, 0, 0, 0.1, 0.2]
    assert admission.enter(WEB, 100.3) == pytest.approx(0)
    assert [round(admission.enter(WEB, 200.0), 3) for _ in range(5)] == [0, 0, 0, 0, 0.1]


@pytest.mark.parametrize(
    ("limits", "first", "text"),
    [
        (Limits(streams=2), (WEB, DB), "E190 2 streams are open, 2 are allowed; connect again later"),
        (Limits(of_one=2), (DB, DB), f"E190 {DB} has 2 streams open, 2 are allowed; connect again later"),
        (
            Limits(burst=1, rate=1, wait=0.5),
            (WEB, WEB, WEB),
            "E190 more than 1 new streams a second; connect again later",
        ),
    ],
)
def test_who_is_sent_away_is_told_why_and_not_counted(limits: Limits, first: tuple[str, ...], text: str) -> None:
    admission = Admission(limits)
    for identity in first[:2]:
        admission.enter(identity, 1.0)
    for _ in range(3):
        with pytest.raises(Unavailable) as told:
            admission.enter(DB, 1.0)
            admission.enter(DB, 1.0)
        assert str(told.value) == text
    assert admission.streams <= 3


def test_who_leaves_makes_room() -> None:
    admission = Admission(Limits(streams=1))
    admission.enter(WEB, 1.0)
    admission.leave(WEB)
    admission.enter(DB, 1.0)
    assert admission.streams == 1 and list(admission._open) == [DB]

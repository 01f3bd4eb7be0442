"""`isthmus controller --label`."""

import pytest

from federation.cli.run import parse_labels
from federation.model.errors import InputError
from federation.model.metadata import MEMBER_LABELS_MAX

BAD = {
    ("tier",): 'E125 --label "tier": write it as KEY=VALUE, such as tier=gold',
    ("tier=",): 'E125 --label "tier=": write it as KEY=VALUE, such as tier=gold',
    ("=gold",): 'E125 --label "=gold": write it as KEY=VALUE, such as tier=gold',
    ("a b=gold",): 'E125 --label "a b=gold": write it as KEY=VALUE, such as tier=gold',
    ("tier=gold", "tier=tin"): 'E125 --label "tier=tin": "tier" is there twice',
    tuple(
        f"k{n}=v" for n in range(MEMBER_LABELS_MAX + 1)
    ): f"E125 --label: {MEMBER_LABELS_MAX + 1} labels, limit {MEMBER_LABELS_MAX}",
}


@pytest.mark.parametrize("given", BAD, ids=lambda given: given[0])
def test_what_is_no_label_is_refused(given: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        parse_labels(given)
    assert str(caught.value) == BAD[given]


def test_labels_are_those_of_kubernetes() -> None:
    assert parse_labels(("tier=gold", "acme.com/ring=1")) == {"tier": "gold", "acme.com/ring": "1"}

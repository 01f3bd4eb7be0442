"""Whose evidence takes a public target away (design section 6). Pure.

Our own evidence and that of one other member, or our own alone when it has held for ten seconds; never another's alone,
so that no single liar removes or vetoes. One who cannot reach the outside at all blames himself.
"""

from collections.abc import Collection, Mapping

from federation.model.standing import Standing

ALONE_AFTER = 10_000
"""Milliseconds that our own evidence must hold when nobody shares it."""


def cut_off(remote: Mapping[str, Standing], outside: Collection[bool] = ()) -> bool:
    """True when we ourselves cannot reach the outside.

    `remote` is what we reach of each other member (the best of its targets and name servers), `outside` which of the
    addresses that an operator named answer. Nobody answers: with two members only the latter can tell our own loss from
    the other's, and with more a member that plays dead beside a dead one can be told from our loss by them alone.
    """
    if any(outside) or any(one.up for one in remote.values()):
        return False
    return bool(outside) or len(remote) > 1


def gone(own: Standing, others: int, isolated: bool, now: int) -> bool:
    """True when a target must not be answered with: `others` is how many other members' evidence says down."""
    if own.up or isolated:
        return False
    return others > 0 or now - own.since >= ALONE_AFTER


def settles(own: Standing, now: int) -> int:
    """The Unix millisecond at which our own evidence alone becomes enough; 0 when it is, or there is none."""
    due = own.since + ALONE_AFTER
    return 0 if own.up or due <= now else due

"""Change the WAN of a running lab: the weather of a direction, cuts between regions."""

from federation.lab import errors
from federation.lab.shim import set_direction
from federation.lab.state import Lab
from federation.lab.switch import checked
from federation.lab.topology import LAB


def change(
    lab: Lab,
    source: str,
    target: str,
    values: dict[str, object],
    rtt_ms: float | None = None,
    both: bool = False,
) -> None:
    """Set values of one direction, or of both; `rtt_ms` sets the delay of both. LabError when one of them
    is wrong.
    """
    known("member", source, target)
    if not values and rtt_ms is None:
        raise errors.bad_argument("say what to change, for example --loss 5 or --block")
    delay: dict[str, object] = {} if rtt_ms is None else {"delay_ms": rtt_ms / 2}
    there = values | delay
    back = there if both else delay
    try:
        checked(there)
    except ValueError as error:
        raise errors.bad_argument(str(error)) from None
    _set(lab, source, target, there)
    if back:
        _set(lab, target, source, back)


def cut(lab: Lab, region: str, other: str | None = None) -> list[str]:
    """Drop everything in both directions between `region` and `other` (None: every other region) from now on; nothing
    is reset. The regions from which it is cut; LabError when one is unknown.
    """
    return _cut(lab, region, other, True)


def heal(lab: Lab, region: str, other: str | None = None) -> list[str]:
    """Undo cuts between `region` and `other` (None: every other region), whoever made them; all else stays as set."""
    return _cut(lab, region, other, False)


def _cut(lab: Lab, region: str, other: str | None, value: bool) -> list[str]:
    known("region", region, *([] if other is None else [other]))
    others = [name for name in LAB.names if name != region] if other is None else [other]
    for name in others:
        _set(lab, region, name, {"cut": value})
        _set(lab, name, region, {"cut": value})
    return others


def known(what: str, *names: str) -> None:
    """LabError for the first that the lab does not have as a `what`; a region bears the name of its member."""
    for name in names:
        if name not in LAB.names:
            raise errors.unknown_name(what, name, list(LAB.names))


def _set(lab: Lab, source: str, target: str, values: dict[str, object]) -> None:
    try:
        set_direction(lab.wan_socket, source, target, values)
    except ValueError as error:
        raise errors.bad_argument(str(error)) from None
    except OSError:
        raise errors.no_lab(lab.directory) from None

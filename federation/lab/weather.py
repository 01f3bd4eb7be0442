"""Change the WAN of a running lab: the weather of a direction, cuts between regions."""

from itertools import product

from federation.lab import errors
from federation.lab.shim import set_direction
from federation.lab.state import Lab
from federation.lab.switch import checked
from federation.lab.topology import topology_of


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
    known("machine", lab, source, target)
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
    topology = topology_of(lab.second)
    known("region", lab, region, *([] if other is None else [other]))
    here = topology.machines(region)
    others = [name for name in (topology.ports if other is None else topology.machines(other)) if name not in here]
    if not others:
        raise errors.bad_argument(f'"{region}" to itself does not pass the WAN')
    for source, target in product(here, others):
        _set(lab, source, target, {"cut": value})
        _set(lab, target, source, {"cut": value})
    return others


def known(what: str, lab: Lab, *names: str) -> None:
    """LabError for the first that the lab does not have as a `what`; a region bears the name of its member, and each
    machine may be named for itself.
    """
    ports = topology_of(lab.second).ports
    for name in names:
        if name not in ports:
            raise errors.unknown_name(what, name, list(ports))


def _set(lab: Lab, source: str, target: str, values: dict[str, object]) -> None:
    try:
        set_direction(lab.wan_socket, source, target, values)
    except ValueError as error:
        raise errors.bad_argument(str(error)) from None
    except OSError:
        raise errors.no_lab(lab.directory) from None

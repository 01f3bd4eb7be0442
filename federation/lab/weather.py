"""Change the WAN of a running lab."""

from federation.lab import errors
from federation.lab.shim import ask
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
    for name in (source, target):
        if name not in LAB.names:
            raise errors.unknown_name("member", name, list(LAB.names))
    if not values and rtt_ms is None:
        raise errors.bad_argument("say what to change, for example --loss 5 or --block")
    delay: dict[str, object] = {} if rtt_ms is None else {"delay_ms": rtt_ms / 2}
    there = values | delay
    back = there if both else delay
    try:
        checked(there)
        ask(lab.wan_socket, {"op": "set", "from": source, "to": target, **there})
        if back:
            ask(lab.wan_socket, {"op": "set", "from": target, "to": source, **back})
    except ValueError as error:
        raise errors.bad_argument(str(error)) from None
    except OSError:
        raise errors.no_lab(lab.directory) from None

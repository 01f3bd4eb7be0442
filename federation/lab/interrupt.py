"""Let SIGTERM and SIGHUP end a lab command the way Ctrl-C does, so that what it made is taken down."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interruptible() -> Iterator[None]:
    """In the block, the first SIGINT, SIGTERM or SIGHUP raises KeyboardInterrupt; further ones do not
    disturb the clean-up.
    """
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def once(_number: int, _frame: object) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, once) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""Durations as people write them: Gateway API Duration (GEP-2257), in whole seconds here."""

import re

from federation.model.errors import InputError

FORM = r"([0-9]{1,5}(h|m|s)){1,3}"
_PART = re.compile(r"([0-9]{1,5})([hms])")
_WHOLE = re.compile(FORM)
_SECONDS = {"h": 3_600, "m": 60, "s": 1}


def seconds_of(text: str) -> int | None:
    """The seconds of `1h30m`, `10m` or `90s`; None for any other form."""
    if not _WHOLE.fullmatch(text):
        return None
    return sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(text))


def parse_seconds(text: str, what: str, most: int) -> int:
    """The seconds of a duration of at most so many seconds. InputError naming `what`."""
    found = seconds_of(text)
    if found is None:
        raise InputError(f'{what} "{text}": write a duration such as 90s, 10m or 1h30m')
    if found > most:
        raise InputError(f'{what} "{text}": longer than {words(most)}; give at most that')
    return found


def words(seconds: int) -> str:
    """The duration as people write it: `1h30m`, `0s`."""
    hours, rest = divmod(seconds, 3_600)
    parts = ((hours, "h"), (rest // 60, "m"), (rest % 60, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"

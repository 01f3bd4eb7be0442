"""One row of a story, and what goes wrong inside a step as its measurement."""

from collections.abc import Callable
from dataclasses import dataclass

from federation.lab import errors, process
from federation.lab.state import Lab


@dataclass(frozen=True, slots=True)
class Step:
    """One row of a story."""

    name: str
    expected: str
    measured: str
    ok: bool


def attempted(lab: Lab, title: Callable[..., object], work: Callable[[], list[Step]]) -> list[Step]:
    """The rows of one step; what goes wrong inside it is one row that fails, named and expected by the doc string of
    the function `title`.
    """
    try:
        return work()
    except (errors.LabError, OSError, ValueError, LookupError, TypeError, RuntimeError, StopIteration) as error:
        said = error.text if isinstance(error, errors.LabError) else f"{type(error).__name__}: {error}"
        ended = sorted(name for name, one in lab.programs.items() if not process.alive(one))
        said += f" (ended: {', '.join(ended)})" if ended else ""
        expected = " ".join((title.__doc__ or "").partition(": ")[2].split()).rstrip(".")
        return [Step(title.__name__.replace("_", " "), expected, said, False)]

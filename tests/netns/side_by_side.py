"""Stories that mostly wait, told at once: each in a world of its own, its test takes what came of it."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

Story = Callable[[], None]
Told = dict[str, Future[None]]


class Stories:
    """Those of one module, by the names of their tests."""

    def __init__(self) -> None:
        self._all: dict[str, Story] = {}

    def test(self, story: Story) -> Callable[[Told], None]:
        """The test of this story; the module has a fixture `told` of what `tell` gives."""
        self._all[story.__name__] = story

        def taken(told: Told) -> None:
            told[story.__name__].result()

        taken.__doc__ = story.__doc__
        return taken

    @contextmanager
    def tell(self, request: pytest.FixtureRequest) -> Iterator[Told]:
        """Tell those whose tests were selected; the block ends when all have ended, whichever was awaited."""
        chosen = [item.name for item in request.session.items if item.path == request.path]
        with ThreadPoolExecutor(len(chosen)) as pool:
            yield {name: pool.submit(self._all[name]) for name in chosen}

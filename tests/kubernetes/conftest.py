"""Two beds for the suite; where no real API server is to be had, one line at the end says so."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.worlds.api_server import ApiServer
from tests.worlds.clusters import NOT_TESTED, Bed, alone, api, bed
from tests.worlds.federated import Federated, federated

__all__ = ["alone", "api", "bed"]


@pytest.fixture(scope="session")
def both(bed: Bed) -> Iterator[Federated]:
    """Two members of a bed in one federation, their controllers running."""
    with federated(bed) as found:
        yield found


@pytest.fixture(scope="session")
def server(bed: Bed) -> ApiServer:
    """An API server with our definitions and nothing else."""
    return ApiServer(bed)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say once, loudly, that no real API server was tested."""
    skipped = [one for one in terminalreporter.stats.get("skipped", []) if NOT_TESTED in str(one.longrepr)]
    if skipped:
        terminalreporter.write_line(f"{NOT_TESTED} ({len(skipped)} tests)", red=True, bold=True)

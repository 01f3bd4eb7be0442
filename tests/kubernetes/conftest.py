"""Two beds for the suite, and one real API server for the tests of what is installed in a cluster.

Where no real API server is to be had, one line at the end says so.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.worlds.api_server import ApiServer, api_server
from tests.worlds.clusters import NOT_TESTED, Bed, api, bed
from tests.worlds.federated import Federated, federated

__all__ = ["api", "bed"]

CRDS = Path(__file__).parents[2] / "federation" / "crds"


@pytest.fixture(scope="session")
def both(bed: Bed) -> Iterator[Federated]:
    """Two members of a bed in one federation, their controllers running."""
    with federated(bed) as found:
        yield found


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """With our definitions installed."""
    with api_server(tmp_path_factory.mktemp("api-server")) as found:
        done = found.kubectl("apply", "--server-side", "-f", str(CRDS))
        assert done.returncode == 0, done.stderr
        wait = found.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
        assert wait.returncode == 0, wait.stderr
        yield found


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say once, loudly, that no real API server was tested."""
    skipped = [one for one in terminalreporter.stats.get("skipped", []) if NOT_TESTED in str(one.longrepr)]
    if skipped:
        terminalreporter.write_line(f"{NOT_TESTED} ({len(skipped)} tests)", red=True, bold=True)

"""One real API server for the tests of what is installed in a cluster."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worlds.api_server import ApiServer, api_server

CRDS = Path(__file__).parents[2] / "federation" / "crds"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """With our definitions installed."""
    with api_server(tmp_path_factory.mktemp("api-server")) as found:
        done = found.kubectl("apply", "--server-side", "-f", str(CRDS))
        assert done.returncode == 0, done.stderr
        wait = found.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
        assert wait.returncode == 0, wait.stderr
        yield found

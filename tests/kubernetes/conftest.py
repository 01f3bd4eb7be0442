"""The contract suite runs on both beds; where the real one is missing, one line at the end says so."""

from typing import Any

from tests.worlds.clusters import NOT_TESTED, api, bed

__all__ = ["api", "bed"]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say once, loudly, that no real API server was tested."""
    skipped = [one for one in terminalreporter.stats.get("skipped", []) if NOT_TESTED in str(one.longrepr)]
    if skipped:
        terminalreporter.write_line(f"{NOT_TESTED} ({len(skipped)} tests)", red=True, bold=True)

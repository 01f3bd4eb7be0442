"""One loud line when namespaces cannot be had; else every test with the mark runs."""

import pytest

from tests.netns.spaces import why_not


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = why_not()
    if reason is None:
        return
    for item in items:
        if item.get_closest_marker("netns"):
            item.add_marker(pytest.mark.skip(reason=reason))

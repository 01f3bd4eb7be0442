"""The time as objects state it."""

from datetime import UTC, datetime, timedelta


def now(seconds_ahead: float = 0) -> str:
    """RFC 3339 in UTC, whole seconds."""
    return (datetime.now(UTC) + timedelta(seconds=seconds_ahead)).strftime("%Y-%m-%dT%H:%M:%SZ")


def age(stamp: str) -> str:
    """How long ago a time was, as tables show it: `5s`, `3m15s`, `2h`, `9d`."""
    try:
        then = datetime.fromisoformat(stamp)
    except ValueError:
        return "<unknown>"
    seconds = max(0, int((datetime.now(UTC) - then).total_seconds()))
    if seconds < 120:
        return f"{seconds}s"
    if seconds < 600 and seconds % 60:
        return f"{seconds // 60}m{seconds % 60}s"
    if seconds < 3 * 3600:
        return f"{seconds // 60}m"
    return f"{seconds // 3600}h" if seconds < 48 * 3600 else f"{seconds // 86400}d"

"""The real clock."""

import time


class SystemClock:
    """Clock over the operating system's."""

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def wall(self) -> float:
        """Unix seconds."""
        return time.time()

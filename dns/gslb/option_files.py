"""Text files that options name."""

from __future__ import annotations

from pathlib import Path

from federation.model.errors import InputError


def option_text(option: str, path: Path) -> str:
    """What the file of an option says. InputError (E122)."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{option} {path}: {error.strerror}", "E122") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{option} {path}: byte {error.start} is not UTF-8 text", "E122") from None

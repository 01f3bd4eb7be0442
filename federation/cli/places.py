"""Where a command may write: asked before it changes anything, so that nothing is half done."""

from pathlib import Path

from federation.model.errors import InputError


def check_file(path: Path, what: str) -> None:
    """InputError when a file cannot be made there."""
    if path.is_dir():
        raise InputError(f'{what} "{path}": is a folder; name a file')
    if not path.absolute().parent.is_dir():
        raise InputError(f'{what} "{path}": its folder does not exist; make it or name another')


def check_folder(path: Path, what: str) -> None:
    """InputError when a folder cannot be made there, because a file is in the way."""
    nearest = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not nearest.is_dir():
        raise InputError(f'{what} "{path}": {nearest} is not a folder; name another')

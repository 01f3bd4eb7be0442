"""The real `terraform`, without provider, registry or a file of the user's, its working files in a folder of the test."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "terraform"
needs_terraform = pytest.mark.skipif(
    shutil.which("terraform") is None,
    reason="NOT TESTED: terraform is not installed: modules and examples were not run",
)


class Terraform:
    """One root module, initialised."""

    def __init__(self, module: str, work: Path) -> None:
        self._module, self._state = ROOT / module, work / "terraform.tfstate"
        config = work / "empty.tfrc"
        config.touch()
        self._environment = os.environ | {
            "TF_DATA_DIR": str(work / "data"),
            "TF_CLI_CONFIG_FILE": str(config),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
        }
        done = self.run("init", "-input=false")
        assert done.returncode == 0, done.stderr

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`terraform` with these arguments."""
        command = ["terraform", f"-chdir={self._module}", arguments[0], "-no-color", *arguments[1:]]
        return subprocess.run(
            command,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def change(self, what: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`apply` or `destroy`, its state in the folder of the test."""
        return self.run(what, "-auto-approve", "-input=false", f"-state={self._state}", *arguments)

"""`examples/lab`: three regions by `terraform apply`, nothing left after `destroy`."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.worlds.terraform import Terraform, needs_terraform

ISTHMUS = str(Path(sys.executable).with_name("isthmus"))
pytestmark = [pytest.mark.netns, needs_terraform]


def test_apply_raises_three_regions_and_destroy_takes_them_down(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="ist") as short:
        lab = Path(short) / "lab"
        terraform = Terraform("examples/lab", tmp_path)
        fixed = (f"-var=folder={lab}", f"-var=isthmus={ISTHMUS}")
        try:
            done = terraform.change("apply", *fixed)
            assert done.returncode == 0, done.stdout + done.stderr
            assert "Apply complete! Resources: 4 added" in done.stdout
            for member in ("us-east", "us-west", "eu-central"):
                api = str(lab / member / "state" / "api.sock")
                told = subprocess.run(
                    [ISTHMUS, "status", "--api", api, "--output", "json"], capture_output=True, text=True, check=True
                )
                assert len(json.loads(told.stdout)["members"]) == 3
            again = terraform.run(
                "plan", "-input=false", "-detailed-exitcode", f"-state={tmp_path}/terraform.tfstate", *fixed
            )
            assert again.returncode == 0, "a second apply would change something: " + again.stdout
        finally:
            done = terraform.change("destroy", *fixed)
        assert done.returncode == 0, done.stdout + done.stderr
        gone = subprocess.run(
            [ISTHMUS, "lab", "status", "--dir", str(lab)], capture_output=True, text=True, check=False
        )
        assert not (lab / "lab.json").exists(), gone.stdout

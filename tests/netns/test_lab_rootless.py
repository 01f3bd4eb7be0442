"""A lab in a user namespace of its own, as a user without root has it."""

import subprocess
from pathlib import Path

import pytest

from federation.lab import process, rootless
from federation.lab.preflight import TUN, opens
from federation.lab.state import FILE, load


def may_unshare() -> bool:
    return subprocess.run([*rootless.UNSHARE, "true"], capture_output=True).returncode == 0


pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(not (opens(TUN) and may_unshare()), reason="needs user namespaces and /dev/net/tun"),
]


def test_up_status_and_down_in_a_user_namespace(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "lab"
    try:
        assert rootless.relay(folder, ["up", "--bare", "--dir", str(folder)]) == 0
        held, lab = rootless.holder(folder), load(folder)
        assert held is not None and all(map(process.alive, lab.programs.values()))
        assert not list(Path("/run/netns").glob(f"*{lab.lab}*"))
        capfd.readouterr()
        look = ["exec", "--dir", str(folder), "us-east-client", "cat", "/etc/resolv.conf"]
        assert rootless.relay(folder, look) == 0
        assert "nameserver 10.1.0.1" in capfd.readouterr().out
        assert rootless.relay(folder, ["up", "--bare", "--dir", str(folder)]) == 2
        assert f'E182 lab "{lab.lab}" is already in' in capfd.readouterr().err
    finally:
        if (folder / FILE).exists():
            assert rootless.relay(folder, ["down", "--dir", str(folder)]) == 0
    assert "nothing of it is left" in capfd.readouterr().out
    assert not folder.exists() and not process.alive(held)
    assert not any(map(process.alive, lab.programs.values()))


def test_a_failed_up_ends_the_holder_too(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years")
    assert rootless.relay(folder, ["up", "--bare", "--dir", str(folder)]) == 2
    assert rootless.holder(folder) is None
    assert sorted(path.name for path in folder.iterdir() if path.name != "lock") == ["thesis.txt"]

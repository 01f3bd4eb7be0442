"""What is read of the process that connected: its own file only, whatever it made of its root."""

import os
import socket
from pathlib import Path

import pytest

from federation.model.errors import Refused
from gateways.identity.process import TOKEN_FILE, PeerProcess, read_in_root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A container's root; beside it lies what the container must not see."""
    (tmp_path / "neighbours").write_text("neighbour's token")
    made = tmp_path / "root"
    (made / "run").mkdir(parents=True)
    return made


def test_a_file_in_the_root_is_read_up_to_the_limit(root: Path) -> None:
    (root / "run" / "token").write_text("abcdef")
    assert read_in_root(root, "run/token", 100) == b"abcdef"
    assert read_in_root(root, "run/token", 4) == b"abcd"


def test_links_are_followed_as_the_container_sees_them(root: Path) -> None:
    """As the kubelet mounts a token: token -> ..data/token, ..data -> a dated folder; and /var/run -> /run."""
    (root / "run" / "..2026").mkdir()
    (root / "run" / "..2026" / "token").write_text("mine")
    (root / "run" / "..data").symlink_to("..2026")
    (root / "run" / "token").symlink_to("..data/token")
    (root / "var").mkdir()
    (root / "var" / "run").symlink_to("/run")
    assert read_in_root(root, "var/run/token", 100) == b"mine"


@pytest.mark.parametrize("kind", ["absolute", "upwards", "folder"])
def test_no_link_leads_out_of_the_root(root: Path, kind: str) -> None:
    outside = root.parent / "neighbours"
    match kind:
        case "absolute":
            (root / "run" / "token").symlink_to(outside)
        case "upwards":
            (root / "run" / "token").symlink_to("../../neighbours")
        case "folder":
            (root / "run").rmdir()
            (root / "run").symlink_to(root.parent)
    assert outside.read_text()
    with pytest.raises(FileNotFoundError):
        read_in_root(root, "run/token" if kind != "folder" else "run/neighbours", 100)


def test_a_pipe_is_no_file_and_nobody_waits_for_it(root: Path) -> None:
    os.mkfifo(root / "run" / "token")
    with pytest.raises(OSError, match="not a file"):
        read_in_root(root, "run/token", 100)


def test_a_process_without_a_token_is_named() -> None:
    near, far = socket.socketpair(socket.AF_UNIX)
    process = PeerProcess(near)
    try:
        with pytest.raises(Refused) as caught:
            process.token()
        why = f"has no service account token at /{TOKEN_FILE}: No such file or directory"
        assert str(caught.value) == f"E105 process {os.getpid()} {why}"
    finally:
        process.close()
        near.close()
        far.close()


def test_a_process_that_is_gone_vouches_for_nobody(tmp_path: Path) -> None:
    """Its id may be another's by now: only the handle counts."""
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        child = os.fork()
        if child == 0:
            with socket.socket(socket.AF_UNIX) as mine:
                mine.connect(path)
            os._exit(0)
        connection, _ = listener.accept()
    process = PeerProcess(connection)
    os.waitpid(child, 0)
    with connection, pytest.raises(Refused) as caught:
        process.token()
    process.close()
    assert str(caught.value) == "E105 the process that connected is gone, or in a pid namespace that is not ours"


def test_an_old_kernel_is_said() -> None:
    class Old(socket.socket):
        def getsockopt(self, *what: object) -> int:  # type: ignore[override]
            raise OSError(92, "Protocol not available")

    with Old(socket.AF_UNIX) as connection, pytest.raises(Refused) as caught:
        PeerProcess(connection).token()
    assert str(caught.value) == "E105 this kernel does not say which process connected (SO_PEERPIDFD, Linux 6.5)"

"""`isthmus lab kubernetes`: what it is told wrongly, each in one line."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from federation.cli.main import cli


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--listen", "8001"], "--listen 8001: it is not ADDR:PORT with a port up to 65535"),
        (["--listen", "127.0.0.1:70000"], "--listen 127.0.0.1:70000: it is not ADDR:PORT with a port up to 65535"),
        (
            ["--service-range", "10.0.0.0/8", "--service-range", "172.16.0.0/12"],
            "--service-range: give at most one range of each family, the default family first",
        ),
        (["--service-range", "10.0.0.1/8"], "--service-range: 10.0.0.1/8 has host bits set"),
        (["--token-file", "none.csv"], "--token-file none.csv: [Errno 2] No such file or directory: 'none.csv'"),
        (
            ["--token-file", "short.csv"],
            "--token-file short.csv: short.csv: a line has 1 columns: it needs token,user,uid and may have groups",
        ),
    ],
)
def test_one_line(arguments: list[str], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("short.csv").write_text("token\n")
    done = CliRunner().invoke(cli, ["lab", "kubernetes", *arguments])
    assert (done.exit_code, done.output) == (2, f"isthmus: E125 {text}\n")


def test_it_is_hidden() -> None:
    assert "kubernetes " not in CliRunner().invoke(cli, ["lab", "--help"]).output

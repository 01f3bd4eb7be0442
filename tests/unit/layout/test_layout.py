"""Guards of the house itself."""

import subprocess
from pathlib import Path

import dns.message

ROOT = Path(__file__).parents[3]
LINES_MAX = 400


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / line for line in listed.stdout.splitlines()]


def test_dns_means_dnspython() -> None:
    assert not (ROOT / "dns" / "__init__.py").exists()
    assert "site-packages" in str(dns.message.__file__)


def test_every_folder_of_code_says_what_lives_there() -> None:
    rooms = {path.parent for path in tracked("federation/*.py", "gateways/*.py", "dns/*.py")}
    inner = {ROOT / "federation/wire/k8s", ROOT / "gateways/render/envoy"}
    assert [str(room) for room in sorted(rooms - inner) if not (room / "README.md").exists()] == []


def test_no_file_holds_two_ideas() -> None:
    sizes = {path: len(path.read_text().splitlines()) for path in tracked("*.py") if path.exists()}
    assert {str(path): size for path, size in sizes.items() if size > LINES_MAX} == {}


def test_tests_are_no_packages() -> None:
    assert [str(path) for path in tracked("tests/*__init__.py")] == []

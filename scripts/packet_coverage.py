"""Print how much of the packet path (`dns/packet`) and of the Python responder their differential fuzz reaches, with
the tests of the server. `make coverage`.

Everything is built and written in build/coverage, beside what is installed. ISTHMUS_DATAGRAMS and ISTHMUS_SEED are the
fuzz's. It needs a Rust toolchain with llvm-tools; branches of Rust are told by a nightly one alone, else regions.
"""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
BUILT = ROOT / "build/coverage"
RAW = BUILT / "raw"
PYTHON = BUILT / "python.data"
TESTS = ("tests/unit/gslb/test_packet_path.py", "tests/unit/gslb/test_packet_server.py")
ROOMS = {
    *("answer", "answered", "client", "compiled", "cookies", "ecs", "front", "guides", "headless", "hints", "lookup"),
    *("options", "packed", "packet", "query", "ranges", "rrl", "steer", "wire"),
}
"""What answers a question over UDP, of dns/gslb."""


class Part(NamedTuple):
    """Of so many, so many are reached."""

    reached: int
    all: int

    def __str__(self) -> str:
        return f"{self.reached}/{self.all} {100 * self.reached // self.all:3} %" if self.all else "-"


class Row(NamedTuple):
    """One file; `left` are the lines where something is not reached."""

    file: str
    lines: Part
    regions: Part
    branches: Part
    left: tuple[int, ...] = ()


class Toolchain(NamedTuple):
    """One of rustup's by its name; "" is the usual one."""

    name: str
    tools: Path

    def tool(self, name: str, *words: object) -> str:
        """What one of its LLVM tools prints."""
        done = subprocess.run([self.tools / name, *map(str, words)], capture_output=True, text=True, check=True)
        return done.stdout


def toolchain() -> Toolchain:
    """A nightly toolchain with llvm-tools, else the usual one. SystemExit when neither is there."""
    for name in ("nightly", ""):
        asked = subprocess.run([*_rustc(name), "--print", "target-libdir"], capture_output=True, text=True, cwd=ROOT)
        tools = Path(asked.stdout.strip()).parent / "bin"
        if asked.returncode == 0 and (tools / "llvm-cov").exists():
            return Toolchain(name, tools)
    sys.exit("coverage: no Rust toolchain has llvm-tools: rustup component add llvm-tools")


def _rustc(name: str) -> list[str]:
    return ["rustc", f"+{name}"] if name else ["rustc"]


def build(chain: Toolchain) -> Path:
    """The packet path with counters, where Python can import it."""
    flags = "-C instrument-coverage" + " -Z coverage-options=branch" * bool(chain.name)
    more = {"RUSTFLAGS": flags, "CARGO_TARGET_DIR": str(BUILT), "CARGO_PROFILE_RELEASE_LTO": "off"}
    cargo = ["cargo", f"+{chain.name}"] if chain.name else ["cargo"]
    subprocess.run(
        [*cargo, "build", "--quiet", "--release", "--lib"],
        cwd=ROOT / "dns/packet",
        env={**os.environ, **more},
        check=True,
    )
    module = BUILT / "import/gslb_packet.abi3.so"
    module.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(BUILT / "release/libgslb_packet.so", module)
    return module


def run(module: Path) -> None:
    """The tests, over this module. SystemExit when one fails."""
    shutil.rmtree(RAW, ignore_errors=True)
    more = {"PYTHONPATH": str(module.parent), "LLVM_PROFILE_FILE": f"{RAW}/%p.profraw", "COVERAGE_FILE": str(PYTHON)}
    command = [sys.executable, "-m", "coverage", "run", "--branch", "--source=dns/gslb", "-m", "pytest", *TESTS]
    if subprocess.run(command, cwd=ROOT, env={**os.environ, **more}).returncode:
        sys.exit("coverage: the tests fail")


def of_rust(chain: Toolchain, module: Path) -> list[Row]:
    """What was reached of each file of the packet path."""
    merged = BUILT / "rust.profdata"
    chain.tool("llvm-profdata", "merge", "--sparse", *RAW.glob("*.profraw"), "-o", merged)
    told = chain.tool("llvm-cov", "export", module, f"--instr-profile={merged}", "--sources", ROOT / "dns/packet/src")
    return rust_rows(json.loads(told)["data"][0]["files"])


def of_python() -> list[Row]:
    """What was reached of each file that answers in Python."""
    told = BUILT / "python.json"
    command = [sys.executable, "-m", "coverage", "json", "--quiet", f"--data-file={PYTHON}", "-o", told]
    subprocess.run(command, cwd=ROOT, check=True)
    return python_rows(json.loads(told.read_text())["files"])


def rust_rows(files: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The rows of what llvm-cov exports."""
    return [_rust_row(one) for one in sorted(files, key=lambda one: str(one["filename"]))]


def _rust_row(file: Mapping[str, Any]) -> Row:
    taken: Counter[tuple[int, int, bool]] = Counter()
    for line, column, _, _, true, false, *_ in file["branches"]:
        taken.update({(line, column, True): true, (line, column, False): false})
    # A segment: line, column, count, whether it counts, whether it begins a region, whether that is a gap.
    regions = {
        line for line, _, count, counts, begins, gap in file["segments"] if counts and begins and not gap and not count
    }
    left = regions | {line for (line, _, _), count in taken.items() if not count}
    said = {name: Part(one["covered"], one["count"]) for name, one in file["summary"].items()}
    return Row(Path(file["filename"]).name, said["lines"], said["regions"], said["branches"], tuple(sorted(left)))


def python_rows(files: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """The rows of what coverage.py exports."""
    return [_python_row(name, files[f"dns/gslb/{name}"]) for name in sorted(f"{room}.py" for room in ROOMS)]


def _python_row(name: str, file: Mapping[str, Any]) -> Row:
    said = file["summary"]
    left = {*file["missing_lines"], *(line for line, _ in file["missing_branches"])}
    lines, branches = (
        Part(said["covered_lines"], said["num_statements"]),
        Part(said["covered_branches"], said["num_branches"]),
    )
    return Row(name, lines, Part(0, 0), branches, tuple(sorted(left)))


def table(title: str, rows: list[Row]) -> str:
    """The rows under a title, and their sum."""
    sums = (Part(*map(sum, zip(*parts, strict=True))) for parts in list(zip(*rows, strict=True))[1:4])
    shown = [(title, "lines", "regions", "branches", "left in lines")]
    shown += [(one.file, *map(str, one[1:4]), _runs(one.left)) for one in (*rows, Row("all", *sums))]
    return "\n".join(f"{a:<24}{b:>16}{c:>16}{d:>16}  {e}".rstrip() for a, b, c, d, e in shown)


def _runs(lines: Iterable[int]) -> str:
    """Neighbours as one: 3-5 9."""
    found: list[list[int]] = []
    for line in lines:
        if found and found[-1][-1] == line - 1:
            found[-1].append(line)
        else:
            found.append([line])
    return " ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in found)


def main() -> None:
    """Build, run, print."""
    chain = toolchain()
    module = build(chain)
    run(module)
    version = subprocess.run([*_rustc(chain.name), "--version"], capture_output=True, text=True, check=True)
    print(table(f"Rust {version.stdout.split()[1]}", of_rust(chain, module)))
    print(table("dns/gslb", of_python()))


if __name__ == "__main__":
    main()

"""Measure every row, or one: `make bench`, `make bench ROW=name`. Prints a table, writes build/bench.json.

A target that is missed is said in the table and is no failure; a row whose measurement breaks is void and says why.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT)

from federation.model.errors import IsthmusError  # noqa: E402
from tests.bench import (  # noqa: E402
    agent_scale,
    agents,
    answer_time,
    compromised,
    dns_failure,
    dns_speed,
    dns_swaps,
    dns_table,
    failover,
    false_alarms,
    flat_speed,
    gateway_loss,
    gateway_scale,
    health_checks,
    help_time,
    hundred_links,
    kept,
    key_rotation,
    kubernetes,
    kubernetes_changes,
    law,
    link_speed,
    load_reports,
    one_way,
    path_mtu,
    path_overhead,
    plan_one_change,
    probing,
    proxy_cost,
    replicas,
    resident,
    revocation,
    rotation,
    signing,
    slow_peer,
    sync,
    xds_streams,
)
from tests.bench.row import Row, table, void  # noqa: E402

MODULES: tuple[ModuleType, ...] = (
    answer_time,
    dns_failure,
    dns_speed,
    dns_swaps,
    dns_table,
    failover,
    false_alarms,
    resident,
    help_time,
    path_overhead,
    link_speed,
    flat_speed,
    gateway_loss,
    key_rotation,
    one_way,
    path_mtu,
    hundred_links,
    plan_one_change,
    law,
    load_reports,
    proxy_cost,
    probing,
    health_checks,
    revocation,
    compromised,
    rotation,
    signing,
    sync,
    kept,
    slow_peer,
    agents,
    agent_scale,
    gateway_scale,
    kubernetes,
    kubernetes_changes,
    replicas,
    xds_streams,
)
EXPECTED = (IsthmusError, OSError, RuntimeError, ValueError, subprocess.SubprocessError)


def known() -> list[str]:
    """Every row."""
    return [name for module in MODULES for name in module.NAMES]


def measured(module: ModuleType, names: tuple[str, ...]) -> list[Row]:
    """The module's rows of these names; void when it breaks."""
    try:
        rows: list[Row] = module.measure(names)
    except EXPECTED as error:
        first = (str(error) or type(error).__name__).splitlines()[0]
        return [void(name, "", first) for name in names]
    return rows


def main() -> int:
    """0 when the rows were measured, 2 for an unknown one."""
    parser = argparse.ArgumentParser(description="Measure Isthmus against its targets.")
    parser.add_argument("--row", help="only this row")
    only = parser.parse_args().row
    if only is not None and only not in known():
        print(f'bench: no row "{only}": there are {", ".join(known())}', file=sys.stderr)
        return 2
    rows: list[Row] = []
    for module in MODULES:
        names = tuple(name for name in module.NAMES if only in (None, name))
        if names:
            print(f"measuring {', '.join(names)}", file=sys.stderr, flush=True)
            rows += measured(module, names)
    out = ROOT / "build" / "bench.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps([row.as_json() for row in rows], indent=1) + "\n")
    print(table(rows))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

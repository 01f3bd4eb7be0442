from pathlib import Path
from types import ModuleType

import pytest

from tests.worlds.script import load_script


@pytest.fixture(scope="module")
def checker() -> ModuleType:
    return load_script("check_libraries")


def house(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_house_in_order_has_no_differences(checker: ModuleType, tmp_path: Path) -> None:
    house(
        tmp_path,
        {
            "federation/README.md": "# x\n\nLibraries: none\n",
            "federation/law/README.md": "Libraries: msgspec, PyYAML.\n",
            "federation/law/a.py": "import os, msgspec\nfrom federation.model import x\nfrom . import y\n",
            "federation/law/deep/b.py": "def f():\n    import yaml\n",
            "gateways/README.md": "Libraries: `grpcio`\n",
            "gateways/a.py": "import grpc.aio\n",
            "gateways/xds/README.md": "Libraries: xds-protos\n",
            "gateways/xds/a.py": "from envoy.config.core.v3 import base_pb2\n",
        },
    )
    assert checker.differences(tmp_path) == []


def test_each_difference_is_one_line(checker: ModuleType, tmp_path: Path) -> None:
    house(
        tmp_path,
        {
            "federation/README.md": "Libraries: none\n",
            "federation/api/README.md": "Libraries: aiohttp, rich\n",
            "federation/api/a.py": "import msgspec\nimport aiohttp.web\n",
            "federation/plan/a.py": "import msgspec\n",
            "gateways/README.md": "no line here\n",
            "gateways/a.py": "",
        },
    )
    assert checker.differences(tmp_path) == [
        "federation/api: imports msgspec, which its README.md does not list",
        "federation/api: its README.md lists rich, which nothing imports",
        "federation/plan: there is no README.md with a line `Libraries: msgspec`",
        "gateways: its README.md has no line `Libraries: none`",
    ]

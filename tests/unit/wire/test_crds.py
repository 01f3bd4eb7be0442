"""The definitions on disk are those of the types, and structural as Kubernetes demands."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from federation.wire.k8s.crd import KINDS, definition, text
from federation.wire.k8s.strict import read_manifest

FOLDER = Path(__file__).parents[3] / "federation" / "crds"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_on_disk_is_not_stale(kind: str) -> None:
    assert (FOLDER / f"{KINDS[kind][0]}.yaml").read_text() == text(kind), "run `make crds`"


def parts(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    for part in schema.get("properties", {}).values():
        yield from parts(part)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from parts(schema[key])


@pytest.mark.parametrize("kind", KINDS)
def test_every_part_has_a_type_and_nothing_that_a_structural_schema_forbids(kind: str) -> None:
    """apiextensions/v1, "Specifying a structural schema"."""
    schema = yaml.safe_load(text(kind))["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for part in parts(schema):
        assert "type" in part, part
        assert not {"$ref", "anyOf", "title", "$defs"} & part.keys()
        assert not ("properties" in part and "additionalProperties" in part)


def test_limits_of_the_types_are_limits_of_the_schema() -> None:
    spec = definition("GlobalName")["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert spec["required"] == ["host", "service"]
    assert spec["properties"]["ttl"] == {"type": "integer", "minimum": 1, "maximum": 86_400, "default": 30}
    assert spec["properties"]["return"]["properties"]["percent"]["maximum"] == 100
    assert spec["properties"]["weights"]["additionalProperties"] == {
        "type": "integer",
        "minimum": 0,
        "maximum": 1_000_000,
    }


def test_the_examples_of_the_readme_are_good() -> None:
    blocks = (FOLDER / "README.md").read_text().split("```yaml\n")[1:]
    found = [read_manifest(block.partition("```")[0], "README.md")[0].value for block in blocks]
    assert [item.kind for item in found] == ["TrafficPolicy", "GlobalName"]

"""The definitions on disk are those of the types, and structural as Kubernetes demands."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from federation.wire.k8s.check import fault
from federation.wire.k8s.crd import KINDS, definition, kustomization, text
from federation.wire.k8s.rules import FIELDS, TYPES
from federation.wire.k8s.strict import read_manifest
from federation.wire.k8s.types import Drain

FOLDER = Path(__file__).parents[3] / "federation" / "crds"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_on_disk_is_not_stale(kind: str) -> None:
    assert (FOLDER / KINDS[kind].file).read_text() == text(KINDS[kind]), "run `make crds`"


def test_nothing_else_is_on_disk() -> None:
    assert {path.name for path in FOLDER.glob("*.yaml")} == {kind.file for kind in KINDS.values()}
    assert (FOLDER / "Kustomization").read_text() == kustomization(), "run `make crds`"


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
    versions = yaml.safe_load(text(KINDS[kind]))["spec"]["versions"]
    assert [version["storage"] for version in versions] == [False] * (len(versions) - 1) + [True]
    for part in parts(versions[0]["schema"]["openAPIV3Schema"]):
        assert "type" in part, part
        assert not {"$ref", "anyOf", "title", "$defs"} & part.keys()
        assert not ("properties" in part and "additionalProperties" in part)


def test_limits_of_the_types_are_limits_of_the_schema() -> None:
    found = definition(KINDS["GlobalName"])["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    spec = found["properties"]["spec"]
    assert spec["required"] == ["host", "service"]
    ttl = {key: value for key, value in spec["properties"]["ttl"].items() if key != "description"}
    assert ttl == {"type": "integer", "minimum": 1, "maximum": 86_400, "default": 30}
    assert spec["properties"]["return"]["properties"]["percent"]["maximum"] == 100
    assert spec["properties"]["weights"]["additionalProperties"] == {
        "type": "integer",
        "minimum": 0,
        "maximum": 1_000_000,
    }


@pytest.mark.parametrize("kind", ["ServiceExport", "ServiceImport"])
def test_the_kinds_of_others_are_as_published(kind: str) -> None:
    """mcs-api v0.5.0: both versions with one schema, v1beta1 stored; no defaults, no null, no rules of ours."""
    made = definition(KINDS[kind])
    assert made["metadata"]["labels"] == {
        "multicluster.x-k8s.io/release-version": "v0.5.0",
        "multicluster.x-k8s.io/crd-schema-revision": "0",
    }
    alpha, beta = made["spec"]["versions"]
    assert (alpha["name"], alpha["served"], alpha["storage"]) == ("v1alpha1", True, False)
    assert (beta["name"], beta["served"], beta["storage"]) == ("v1beta1", True, True)
    assert alpha["schema"] == beta["schema"]
    for part in parts(beta["schema"]["openAPIV3Schema"]):
        assert not {"default", "nullable", "x-kubernetes-validations"} & part.keys()


def test_every_rule_stands_in_a_definition() -> None:
    rules = [rule for fields in FIELDS.values() for several in fields.values() for rule in several]
    rules += [rule for several in TYPES.values() for rule in several]
    schemas = [definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"] for kind in KINDS.values()]
    found = [one for schema in schemas for part in parts(schema) for one in part.get("x-kubernetes-validations", ())]
    assert {one["rule"] for one in found} == {rule.check for rule in rules}


def test_the_examples_of_the_readme_are_good() -> None:
    blocks = [block.partition("```")[0] for block in (FOLDER / "README.md").read_text().split("```yaml\n")[1:]]
    found = [read_manifest(block, "README.md")[0].value for block in blocks[:2]]
    assert [item.kind for item in found] == ["TrafficPolicy", "GlobalName"]
    drain = msgspec.convert(yaml.safe_load(blocks[2]), Drain)
    assert (drain.spec.member, fault(drain)) == ("us-west", None)

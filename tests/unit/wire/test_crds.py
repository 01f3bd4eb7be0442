"""The definitions on disk are those of the types, and structural as Kubernetes demands."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from federation.cli.check import check
from federation.wire.k8s.accesses import AccessPolicySpec
from federation.wire.k8s.crd import KINDS, definition, kustomization, text
from federation.wire.k8s.policies import TrafficPolicySpec
from federation.wire.k8s.rules import FIELDS, TYPES
from federation.wire.k8s.strict import read_manifest
from federation.wire.k8s.types import AccessPolicy, TrafficPolicy

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
        assert "type" in part or part.get("x-kubernetes-int-or-string"), part
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


def examples() -> list[str]:
    return [block.partition("```")[0] for block in (FOLDER / "README.md").read_text().split("```yaml\n")[1:]]


def test_the_examples_of_the_readme_pass_isthmus_check(tmp_path: Path) -> None:
    files = [tmp_path / f"{index}.yaml" for index in range(len(examples()))]
    for file, block in zip(files, examples(), strict=True):
        file.write_text(block)
    done = CliRunner().invoke(check, [*map(str, files), "--output", "json"])
    assert (done.exit_code, [row["status"] for row in json.loads(done.output)]) == (0, ["ok"] * len(files))


def test_the_examples_show_every_field_of_a_policy() -> None:
    values = [found.value for block in examples() for found in read_manifest(block, "")]
    specs = [value.spec for value in values if isinstance(value, TrafficPolicy | AccessPolicy)]
    shown = {field for spec in specs for field in spec.__struct_fields__ if getattr(spec, field)}
    assert set(TrafficPolicySpec.__struct_fields__) | set(AccessPolicySpec.__struct_fields__) <= shown | {"weights"}


TOGETHER = {
    "circle": (
        """{kind: TrafficPolicy, metadata: {name: a}, spec: {panic: {action: fallback, fallback: b}}}
---
{kind: TrafficPolicy, metadata: {name: b}, spec: {panic: {action: fallback, fallback: a}}}
""",
        [
            'x.yaml:1: field "spec.panic.fallback": a -> b -> a leads back to itself',
            'x.yaml:3: field "spec.panic.fallback": b -> a -> b leads back to itself',
        ],
    ),
    "two for a namespace": (
        """{kind: TrafficPolicy, metadata: {name: b}, spec: {target: Namespace}}
---
{kind: TrafficPolicy, metadata: {name: a}, spec: {target: Namespace}}
""",
        [
            'x.yaml:1: field "spec.target": TrafficPolicy "a" is for the whole namespace already; delete one of both',
        ],
    ),
}


@pytest.mark.parametrize(("content", "lines"), TOGETHER.values(), ids=TOGETHER)
def test_policies_that_do_not_go_together(content: str, lines: list[str], tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(content)
    done = CliRunner().invoke(check, [str(file), "--output", "json"])
    problems = [row["text"] for row in json.loads(done.output) if row["status"] == "problem"]
    assert (done.exit_code, problems) == (1, [f"{tmp_path}/{line}" for line in lines])


def test_a_file_that_is_bad_or_not_there(tmp_path: Path) -> None:
    bad, gone = tmp_path / "bad.yaml", tmp_path / "gone.yaml"
    bad.write_text("{kind: TrafficPolicy, metadata: {name: a}, spec: {order: ['@zone']}}")
    done = CliRunner().invoke(check, [str(bad), str(gone), "--output", "json"])
    term = "write a region, member/NAME, label/KEY=VALUE, @region or @az"
    assert [row["text"] for row in json.loads(done.output)] == [
        f'{bad}:1: field "spec.order": "@zone" is no term: {term}',
        f"{gone}: No such file or directory",
    ]

"""What a probe may not ask for, in a manifest and in another member's record: the same words."""

import pytest

from federation.model.errors import InputError, Refused
from federation.model.names import ServiceKey
from federation.model.policy import Policy, Probe, Range
from federation.model.probes import probe_fault
from federation.model.public import GlobalName
from federation.sync.names import check_name_policy
from federation.wire.k8s.strict import read_manifest

NAME = "apiVersion: isthmus.dev/v1alpha1\nkind: GlobalName\nmetadata: {name: web, namespace: shop}\nspec:\n"
HOST = "  host: shop.example.test\n  service: web\n  "
POLICY = "apiVersion: isthmus.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: web, namespace: shop}\nspec:\n  "
PATH = 'must begin with "/" and hold printable ASCII without spaces'
DNS = "is not a DNS name in lower case such as shop.example.com"

FAULTS: dict[str, tuple[str, str]] = {
    "probe: {kind: tcp, path: /up}": ("probe.path", "only used with kind http or https"),
    "probe: {method: HEAD}": ("probe.method", "only used with kind http or https"),
    "probe: {kind: grpc, statuses: ['200']}": ("probe.statuses", "only used with kind http or https"),
    "probe: {kind: tcp, body: x}": ("probe.body", "only used with kind http or https"),
    "probe: {host: a.example}": ("probe.host", "only used with kind http or https or grpc or grpcs"),
    "probe: {kind: http, serverName: a.example}": ("probe.serverName", "only used with kind https or grpcs"),
    "probe: {kind: grpc, verify: none}": ("probe.verify", "only used with kind https or grpcs"),
    "probe: {path: /, service: a.B}": ("probe.service", "only used with kind grpc or grpcs"),
    "probe: {command: own}": ("probe.command", "only used with kind exec"),
    "probe: {kind: exec}": ("probe.command", "kind exec needs the name that the operator gave to a program"),
    "probe: {kind: exec, command: ../sh}": ("probe.command", "'../sh' is not a DNS label"),
    "probe: {kind: icmp, port: 7}": ("probe.port", "an echo has none"),
    "probe: {kind: http, method: HEAD, body: x}": ("probe.body", "an answer to HEAD has no content"),
    "probe: {path: up}": ("probe.path", f"'up' {PATH}"),
    'probe: {path: "/a\\r\\nHost: b"}': ("probe.path", f"'/a\\r\\nHost: b' {PATH}"),
    'probe: {kind: http, host: "a.example\\r\\nX: y"}': ("probe.host", f"'a.example\\r\\nX: y' {DNS}"),
    "probe: {kind: http, host: 169.254.169.254:80}": ("probe.host", f"'169.254.169.254:80' {DNS}"),
    "probe: {kind: https, serverName: A.example}": ("probe.serverName", f"'A.example' {DNS}"),
    "probe: {kind: grpc, service: a b}": (
        "probe.service",
        "'a b' is not printable ASCII without spaces, 127 at most",
    ),
    "probe: {kind: http, statuses: [300-200]}": ("probe.statuses", '"300-200" is no range within 100 to 599'),
    "{probe: {}, probes: [{}]}": ("probes", "give probe or probes, not both"),
    "need: any": ("need", "only used with probes"),
    "{probe: {}, need: 1}": ("need", "only used with probes"),
    "{probes: [{}, {}], need: 3}": ("need", "3 of 2 probes can never pass"),
    "probes: [{}, {kind: tcp, path: /}]": ("probes[1].path", "only used with kind http or https"),
    "probes: [{}, {kind: https, serverName: A}]": ("probes[1].serverName", f"'A' {DNS}"),
}


@pytest.mark.parametrize("text", FAULTS)
def test_a_manifest_is_refused_with_field_value_and_reason(text: str) -> None:
    field, why = FAULTS[text]
    spec = text[1:-1] if text.startswith("{") else text
    lines = spec.replace(", probes:", "\n  probes:").replace(", need:", "\n  need:")
    with pytest.raises(InputError) as refused:
        read_manifest(NAME + HOST + lines, "web.yaml")
    said = str(refused.value)
    assert said.startswith("E125 web.yaml:") and said.partition(": ")[2] == f'field "spec.{field}": {why}'


@pytest.mark.parametrize(
    ("text", "field"),
    [("probe: {kind: exec, command: own}", "probe.kind"), ("probes: [{kind: exec, command: own}]", "probes")],
)
def test_node_agents_run_no_programs(text: str, field: str) -> None:
    assert read_manifest(NAME + HOST + text, "web.yaml")
    with pytest.raises(InputError) as refused:
        read_manifest(POLICY + text, "web.yaml")
    assert (
        str(refused.value)
        == f'E125 web.yaml:5: field "spec.{field}": exec is for GlobalNames: node agents run no programs'
    )


FORGED: dict[str, tuple[Probe, str]] = {
    "a split request": (Probe(path="/a HTTP/1.1\r\nHost: b"), f"probe path: '/a HTTP/1.1\\r\\nHost: b' {PATH}"),
    "a split header": (Probe(kind="http", host="a\r\nX: y"), f"probe host: 'a\\r\\nX: y' {DNS}"),
    "a long text": (Probe(kind="http", body="x" * 257), "probe body: 257 characters, at most 256"),
    "many statuses": (Probe(kind="http", statuses=(Range(200, 200),) * 17), "probe statuses: 17 of them, at most 16"),
    "no status": (
        Probe(kind="http", statuses=(Range(0, 900),)),
        'probe statuses: "0-900" is no range within 100 to 599',
    ),
    "many parts": (Probe(parts=(Probe(),) * 9), "probe probes: 9 probes, at most 8"),
    "parts of parts": (Probe(parts=(Probe(parts=(Probe(),)),)), "probe probes[0]: has parts of its own"),
    "a need below nothing": (Probe(parts=(Probe(),), need=-1), "probe need: -1 of 1 probes can never pass"),
    "a part every millisecond": (Probe(parts=(Probe(interval_ms=1),)), "probe interval 1 is not 100 to 60000"),
    "a part's path": (Probe(parts=(Probe(path="x"),)), f"probe probes[0].path: 'x' {PATH}"),
    "no command": (Probe(kind="exec"), "probe command: kind exec needs the name that the operator gave to a program"),
}


@pytest.mark.parametrize("case", FORGED)
def test_another_members_name_is_refused_with_the_same_words(case: str) -> None:
    probe, text = FORGED[case]
    name = GlobalName(host="a.example.test", service=ServiceKey("shop", "web"), policy=Policy(probe=probe))
    with pytest.raises(Refused) as refused:
        check_name_policy(name, "here")
    assert str(refused.value) == f"E120 here: {text}; last good kept"


@pytest.mark.parametrize(
    "probe",
    [
        Probe(),
        Probe(path="/up"),
        Probe(
            kind="https", path="/up", statuses=(Range(200, 204),), body="ok", host="a.example", server_name="b.example"
        ),
        Probe(kind="grpcs", service="shop.Cart", verify="none"),
        Probe(kind="icmp"),
        Probe(kind="exec", command="own", port=25),
        Probe(parts=(Probe(kind="icmp"), Probe(path="/up")), need=1),
    ],
)
def test_what_makes_sense_is_taken(probe: Probe) -> None:
    assert probe_fault(probe) is None

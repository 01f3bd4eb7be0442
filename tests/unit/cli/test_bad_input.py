"""Bad input: one line on standard error, exit status 2, nothing on standard output, and no file changed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worlds.command_line import BASE, JOINER, content, inside, prepare, said, words

LABEL = 'must be a DNS label (1 to 63 of a-z, 0-9 and inner "-")'
PORT = "write it as ADDRESS:PORT or [IPV6]:PORT with a port of 1 to 65535"
ABSENT = "does not exist: make it with `isthmus init` or `isthmus member request`"
NUMBERS = "write it as NAMESPACE/ACCOUNT=UID[:GID], numbers of 0 to 4294967294"
FINGERPRINT = "sha256:" + "0" * 64


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("cli")
    prepare(path)
    with inside(path):
        yield path


def refused(place: Path, arguments: list[str], text: str) -> None:
    before = content(place)
    assert said(*arguments) == (2, "", f"isthmus: {text}\n")
    assert content(place) == before


PLACES = {
    "domain": ({"--domain": "Acme"}, 'E114 federation domain "Acme": must be a DNS name such as "acme.mesh", at most 200 characters'),
    "name": ({"--name": "US"}, f'E114 member name "US": {LABEL}'),
    "region": ({"--region": "us east"}, f'E114 --region "us east": {LABEL}'),
    "az": ({"--az": ""}, f'E114 --az "": {LABEL}'),
    "namespace": ({"--namespace": "Shop"}, f'E114 --namespace "Shop": {LABEL}'),
    "host bits": ({"--reachable": "10.1.0.1/16"}, 'E101 --reachable "10.1.0.1/16": 10.1.0.1/16 has host bits set'),
    "default route": ({"--reachable": "0.0.0.0/0"}, 'E101 --reachable "0.0.0.0/0": a default route cannot be claimed'),
    "loopback": ({"--reachable": "127.0.0.0/8"}, 'E101 --reachable "127.0.0.0/8" overlaps 127.0.0.0/8, which no member may claim'),
    "the overlay": (
        {"--reachable": "fd3e:5d6d:731c:5::/64"},
        'E101 CIDR fd3e:5d6d:731c:5::/64 of member "us-east" overlaps fd3e:5d6d:731c::/48, the federation\'s overlay',
    ),
    "clusterset in reachable": (
        {"--clusterset": "10.1.2.0/24"},
        'E101 --clusterset "10.1.2.0/24" overlaps --reachable 10.1.0.0/16; choose another',
    ),
    "clusterset": ({"--clusterset": "ten"}, "E101 --clusterset \"ten\": 'ten' does not appear to be an IPv4 or IPv6 network"),
    "sync without port": ({"--sync": "192.0.2.1"}, f'E122 --sync "192.0.2.1": {PORT}'),
    "sync with port 0": ({"--sync": "192.0.2.1:0"}, f'E122 --sync "192.0.2.1:0": {PORT}'),
    "folder of another": ({"--state": "reg"}, "E125 reg/member.json exists: this folder already belongs to a member"),
    "folder that is a file": ({"--state": "file"}, 'E125 --state "file": file is not a folder; name another'),
}  # fmt: skip


@pytest.mark.parametrize("case", PLACES)
def test_init(place: Path, case: str) -> None:
    options, text = PLACES[case]
    refused(place, ["init", *words({"--state": "new", **BASE, **options})], text)


REQUESTS = {
    "fingerprint": (
        {"--federation": "sha256:12"},
        'E125 --federation "sha256:12": must be sha256: and 64 hex digits, as `isthmus init` prints it',
    ),
    "nowhere to write": ({"--out": "no/where"}, 'E125 --out "no/where": its folder does not exist; make it or name another'),
    "a folder to write": ({"--out": "manifests"}, 'E125 --out "manifests": is a folder; name a file'),
    "folder of another": ({"--state": "joiner"}, "E125 joiner/member.json exists: this folder already belongs to a member"),
    "name": ({"--name": "-eu"}, f'E114 member name "-eu": {LABEL}'),
}  # fmt: skip


@pytest.mark.parametrize("case", REQUESTS)
def test_member_request(place: Path, case: str) -> None:
    options, text = REQUESTS[case]
    base = {"--state": "new", "--federation": FINGERPRINT, "--out": "out", **JOINER}
    refused(place, ["member", "request", *words(base | options)], text)


ADMITS = {
    "absent request": ({"--request": "none"}, "Invalid value for '--request': Path 'none' does not exist. See `isthmus member admit --help`."),
    "no request": ({"--request": "file"}, "E120 join request (1 bytes) cannot be read: Expected `object`, got `int`"),
    "no member": ({"--state": "none"}, f"E125 none/member.json {ABSENT}"),
    "not the registrar": ({"--state": "joiner"}, "E125 joiner/federation.key does not exist: only the registrar has it and may admit"),
    "nowhere to write": ({"--ledger": "no/where"}, 'E125 --ledger "no/where": its folder does not exist; make it or name another'),
    "overlap": (
        {"--request": "overlapping"},
        'E101 reachable CIDR 10.1.4.0/24 overlaps 10.1.0.0/16 owned by member "us-east"; '
        "choose another or ask its owner to release it",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ADMITS)
def test_member_admit(place: Path, case: str) -> None:
    options, text = ADMITS[case]
    refused(
        place,
        ["member", "admit", *words({"--state": "reg", "--request": "request", "--ledger": "out"} | options)],
        text,
    )


ACCEPTS = {
    "absent ledger": ({"--ledger": "none"}, "Invalid value for '--ledger': Path 'none' does not exist. See `isthmus member accept --help`."),
    "no ledger": ({"--ledger": "file"}, "E120 ledger (1 bytes) cannot be read: Expected `object`, got `int`"),
    "no member": ({"--state": "none"}, f"E125 none/member.json {ABSENT}"),
    "not admitted": ({}, 'E102 the ledger does not admit member "eu" with the anchor of joiner'),
}  # fmt: skip


@pytest.mark.parametrize("case", ACCEPTS)
def test_member_accept(place: Path, case: str) -> None:
    options, text = ACCEPTS[case]
    refused(place, ["member", "accept", *words({"--state": "joiner", "--ledger": "reg/ledger"} | options)], text)


def test_member_list_without_a_ledger(place: Path) -> None:
    text = "E125 joiner/ledger does not exist: take it over with `isthmus member accept`"
    refused(place, ["member", "list", "--state", "joiner"], text)


ENROLS = {
    "no member": ({"--state": "none"}, f"E125 none/member.json {ABSENT}"),
    "name": ({"--name": "Node"}, f'E114 --name "Node": {LABEL}'),
    "role": ({"--role": "cook"}, "Invalid value for '--role': 'cook' is not one of 'gateway', 'node', 'dns', 'xds'. See `isthmus enroll --help`."),
    "controller": ({"--controller": "10.1.0.1"}, f'E122 --controller "10.1.0.1": {PORT}'),
    "workload": ({"--workload": "shop"}, 'E125 --workload "shop": write it as NAMESPACE/ACCOUNT=IP[,IP]'),
    "workload in our namespace": (
        {"--workload": "isthmus/controller=10.1.0.9"},
        'E105 --workload "isthmus/controller=10.1.0.9": the namespace "isthmus" is ours; no workload acts in it',
    ),
    "workload address": ({"--workload": "shop/a=10.1"}, 'E125 --workload "shop/a=10.1": "10.1" is not an IP address'),
    "workload namespace": ({"--workload": "Shop/a=10.1.0.9"}, f'E114 --workload namespace "Shop": {LABEL}'),
    "uid": ({"--workload-uid": "shop/a"}, 'E125 --workload-uid "shop/a": write it as NAMESPACE/ACCOUNT=UID[:GID]'),
    "uid that is a name": ({"--workload-uid": "shop/a=web"}, f'E125 --workload-uid "shop/a=web": {NUMBERS}'),
    "uid too great": ({"--workload-uid": "shop/a=4294967295"}, f'E125 --workload-uid "shop/a=4294967295": {NUMBERS}'),
    "uid without end": ({"--workload-uid": f"shop/a={'1' * 5000}"}, f'E125 --workload-uid "shop/a={"1" * 5000}": {NUMBERS}'),
    "gid missing": ({"--workload-uid": "shop/a=1000:"}, f'E125 --workload-uid "shop/a=1000:": {NUMBERS}'),
    "gid negative": ({"--workload-uid": "shop/a=1000:-1"}, f'E125 --workload-uid "shop/a=1000:-1": {NUMBERS}'),
    "three numbers": ({"--workload-uid": "shop/a=1:2:3"}, f'E125 --workload-uid "shop/a=1:2:3": {NUMBERS}'),
    "uid account": ({"--workload-uid": "shop/A=1000"}, f'E114 --workload-uid account "A": {LABEL}'),
    "uid in our namespace": (
        {"--workload-uid": "isthmus/gateway=1000"},
        'E105 --workload-uid "isthmus/gateway=1000": the namespace "isthmus" is ours; no workload acts in it',
    ),
    "nobody": (
        {"--workload-uid": "shop/a=65534"},
        'E105 --workload-uid "shop/a=65534": 65534 stands for every user that the kernel cannot name here; '
        "give the workload a user of its own",
    ),
    "service account": ({"--workload-kubernetes": "shop"}, 'E125 --workload-kubernetes "shop": write it as NAMESPACE/ACCOUNT'),
    "service account with a number": (
        {"--workload-kubernetes": "shop/a=1"},
        'E125 --workload-kubernetes "shop/a=1": write it as NAMESPACE/ACCOUNT',
    ),
    "service account in our namespace": (
        {"--workload-kubernetes": "isthmus/gateway"},
        'E105 --workload-kubernetes "isthmus/gateway": the namespace "isthmus" is ours; no workload acts in it',
    ),
    "node without a service account": (
        {"--kubernetes-node": "n1.example"},
        "E125 --kubernetes-node is for --workload-kubernetes, which is not given",
    ),
    "service account of a gateway": (
        {"--workload-kubernetes": "shop/a", "--role": "gateway"},
        "E125 --workload-kubernetes is for the role node; n1 is to be a gateway",
    ),
    "uid of a gateway": (
        {"--workload-uid": "shop/a=1000", "--role": "gateway"},
        "E125 --workload-uid is for the role node; n1 is to be a gateway",
    ),
    "name taken": ({"--name": "dns1"}, 'E102 agent "dns1" is already enrolled; remove reg/agents/dns1.json first to replace it'),
    "folder taken": ({"--out": "dns"}, 'E102 --out "dns": another program is enrolled there; name another folder'),
    "folder that is a file": ({"--out": "file"}, 'E125 --out "file": file is not a folder; name another'),
    "no signer": ({}, "E190 signer at reg/signer.sock does not answer (No such file or directory): start `isthmus signer`"),
}  # fmt: skip


@pytest.mark.parametrize("case", ENROLS)
def test_enroll(place: Path, case: str) -> None:
    options, text = ENROLS[case]
    base = {"--state": "reg", "--name": "n1", "--role": "node", "--controller": "10.1.0.1:7443", "--out": "n1"}
    refused(place, ["enroll", *words(base | options)], text)


TWICE = {
    "address": (
        ["--workload", "shop/a=10.1.0.9", "--workload", "shop/b=10.1.0.9"],
        'E125 --workload "shop/b=10.1.0.9": 10.1.0.9 already belongs to shop/a',
    ),
    "uid": (
        ["--workload-uid", "shop/a=1000", "--workload-uid", "shop/b=1000"],
        'E125 --workload-uid "shop/b=1000": uid 1000 already belongs to shop/a',
    ),
    "uid in one group, then in any": (
        ["--workload-uid", "shop/a=1000:5", "--workload-uid", "shop/b=1000"],
        'E125 --workload-uid "shop/b=1000": uid 1000 already belongs to shop/a',
    ),
    "uid in any group, then in one": (
        ["--workload-uid", "shop/a=1000", "--workload-uid", "shop/b=1000:5"],
        'E125 --workload-uid "shop/b=1000:5": uid 1000 already belongs to shop/a',
    ),
}


@pytest.mark.parametrize("case", TWICE)
def test_enroll_gives_one_process_one_identity(place: Path, case: str) -> None:
    options, text = TWICE[case]
    base = {"--state": "reg", "--name": "n1", "--role": "node", "--controller": "10.1.0.1:7443", "--out": "n1"}
    refused(place, ["enroll", *words(base), *options], text)


LOOKS = {
    "status": (["status", "--api", "none.sock"], "E190 none.sock: no controller answers (No such file or directory); is it running?"),
    "status of a file": (["status", "--api", "file"], "E190 file: no controller answers (Connection refused); is it running?"),
    "explain": (
        ["explain", "shop/web", "--from", "eu", "--api", "none.sock"],
        "E190 none.sock: no controller answers (No such file or directory); is it running?",
    ),
    "explain what": (["explain", "web", "--from", "eu"], 'E114 "web": write a service as NAMESPACE/NAME, a public name as shop.example.com'),
    "explain from where": (["explain", "shop/web"], "Missing option '--from'. See `isthmus explain --help`."),
    "no lab": (["status"], "E125 no lab runs in nolab: name a controller's socket with --api, or run `isthmus lab up`"),
    "no lab to explain": (
        ["explain", "shop/web", "--from", "eu"],
        "E125 no lab runs in nolab: name a controller's socket with --api, or run `isthmus lab up`",
    ),
    "trust status without a controller": (
        ["trust", "status", "--state", "reg"],
        "E190 reg/api.sock: no controller answers (No such file or directory); is it running?",
    ),
    "leave without a controller": (
        ["leave", "--state", "reg"],
        "E190 reg/api.sock: no controller answers (No such file or directory); is it running?",
    ),
    "leave of no folder": (["leave", "--abort", "--state", "none"], f"E125 none/member.json {ABSENT}"),
    "leave of no state": (["leave"], "Missing option '--state'. See `isthmus leave --help`."),
    "let go without a controller": (
        ["member", "leave", "eu", "--state", "reg"],
        "E190 reg/api.sock: no controller answers (No such file or directory); is it running?",
    ),
    "trust rotate without a controller": (
        ["trust", "rotate", "--state", "reg", "--exclude", "eu"],
        "E190 reg/api.sock: no controller answers (No such file or directory); is it running?",
    ),
    "trust abort of no folder": (["trust", "abort", "--state", "none"], f"E125 none/member.json {ABSENT}"),
    "trust rotate of no folder": (["trust", "rotate"], "Missing option '--state'. See `isthmus trust rotate --help`."),
    "member anchor without a controller": (
        ["member", "anchor", "eu", "--state", "reg"],
        "E190 reg/api.sock: no controller answers (No such file or directory); is it running?",
    ),
    "unknown command": (["fly"], "No such command 'fly'. See `isthmus --help`."),
    "unknown option": (["status", "--fly"], "No such option '--fly'. See `isthmus status --help`."),
}  # fmt: skip


@pytest.mark.parametrize("case", LOOKS)
def test_questions(place: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISTHMUS_LAB_DIR", "nolab")
    refused(place, *LOOKS[case])

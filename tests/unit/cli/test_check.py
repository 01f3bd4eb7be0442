"""`isthmus check`: every outcome of every check by its exact text; resolvers and API servers are real ones on loopback."""

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.rcode
import pytest
from aiohttp import web

from federation.adapters.kube.access import KubeAccess
from federation.cli import check_forward
from federation.cli.check import check_controller
from federation.cli.check_forward import parse_resolver
from federation.cli.check_kinds import check_kinds
from federation.cli.finding import Finding
from federation.model.errors import InputError
from federation.wire.k8s.crd import KINDS
from tests.worlds.command_line import inside, said
from tests.worlds.forwarder import Forwarder, forwarding
from tests.worlds.ports import free_port

BLOCK = "the server block of deploy/coredns/Corefile"
ADD = f"it does not ask our DNS servers; add {BLOCK} to its Corefile (ConfigMap coredns of kube-system)"
UPSTREAM = f"our DNS servers do not answer it, or have no handout yet: see their logs, and the address in {BLOCK}"
FORWARDERS = {
    "ours": (Forwarder(rcode=dns.rcode.NOERROR, text="1.0.0"), "ok", '"1.0.0"'),
    "CoreDNS's own option": (
        Forwarder(rcode=dns.rcode.NOERROR, text="1.1.0"),
        "ok",
        f'"1.1.0": CoreDNS\'s own multicluster option, without local first; for ours add {BLOCK}',
    ),
    "another version": (Forwarder(rcode=dns.rcode.NOERROR, text="9"), "problem", f'"9": {ADD}'),
    "no such name": (Forwarder(), "problem", f"NXDOMAIN: {ADD}"),
    "no TXT record": (Forwarder(rcode=dns.rcode.NOERROR), "problem", f"no TXT record: {ADD}"),
    "refused": (Forwarder(rcode=dns.rcode.REFUSED), "problem", f"REFUSED: {ADD}"),
    "not implemented": (Forwarder(rcode=dns.rcode.NOTIMP), "problem", f"NOTIMP: {ADD}"),
    "a dead upstream": (Forwarder(rcode=dns.rcode.SERVFAIL), "problem", f"SERVFAIL: {UPSTREAM}"),
}


@pytest.mark.parametrize("case", FORWARDERS)
def test_forward(case: str) -> None:
    forwarder, status, text = FORWARDERS[case]
    with forwarding(forwarder) as port:
        found = check_forward.check_forward(("127.0.0.1", port))
    assert found == Finding("forward", status, f"127.0.0.1:{port} answers dns-version.clusterset.local with {text}")  # type: ignore[arg-type]


def test_forward_with_nobody_there_asks_again_and_says_how_long() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        found = check_forward.check_forward(("127.0.0.1", port), tries=(0.05, 0.1))
        silent.setblocking(False)
        assert all(silent.recv(512) for _ in range(2))
    assert found.status == "problem"
    assert found.text == (
        f"127.0.0.1:{port} does not answer for dns-version.clusterset.local in 0.15 s: it cannot be reached from here, "
        f"or the address after `forward .` in {BLOCK} is wrong"
    )


def test_forward_without_a_way() -> None:
    found = check_forward.check_forward(("255.255.255.255", 53), tries=(0.1,))
    assert found.status == "problem"
    assert found.text.startswith("255.255.255.255:53: ")
    assert found.text.endswith("; name the cluster's resolver with --resolver ADDRESS")


def test_forward_with_what_is_no_resolver() -> None:
    class Garbage(Forwarder):
        def answer(self, wire: bytes) -> bytes:
            return wire[:2] + b"\x80\x00\x00\x01"

    with forwarding(Garbage()) as port:
        found = check_forward.check_forward(("127.0.0.1", port))
    text = f"127.0.0.1:{port} answers with what is no DNS message (ShortHeader); is it a resolver?"
    assert found == Finding("forward", "problem", text)


RESOLVERS = {
    "192.0.2.1": ("192.0.2.1", 53),
    "192.0.2.1:5353": ("192.0.2.1", 5353),
    "2001:db8::1": ("2001:db8::1", 53),
    "[2001:db8::1]": ("2001:db8::1", 53),
    "[2001:db8::1]:5353": ("2001:db8::1", 5353),
}


@pytest.mark.parametrize("text", RESOLVERS)
def test_a_resolver_is_an_address_with_or_without_a_port(text: str) -> None:
    assert parse_resolver(text) == RESOLVERS[text]


@pytest.mark.parametrize(
    "text", ["", "kube-dns", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:x", "[192.0.2.1]:53", "[::1:53"]
)
def test_any_other_is_refused(text: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_resolver(text)
    shape = "write it as ADDRESS, ADDRESS:PORT or [IPV6]:PORT with an IP address and a port of 1 to 65535"
    assert str(refused.value) == f'E122 --resolver "{text}": {shape}'


CONFS = {
    "the first": ("search x\nnameserver 192.0.2.7\nnameserver 192.0.2.8\n", ("192.0.2.7", 53)),
    "none": ("search x\n", None),
    "no file": (None, None),
}


@pytest.mark.parametrize("case", CONFS)
def test_without_a_resolver_it_is_that_of_resolv_conf(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, wanted = CONFS[case]
    conf = tmp_path / "resolv.conf"
    if text is not None:
        conf.write_text(text)
    monkeypatch.setattr(check_forward, "RESOLV_CONF", str(conf))
    if wanted:
        assert parse_resolver(None) == wanted
        return
    with pytest.raises(InputError) as refused:
        parse_resolver(None)
    assert str(refused.value) == f"E122 {conf} names no resolver: give the cluster's with --resolver ADDRESS"


def test_no_controller_is_a_problem(tmp_path: Path) -> None:
    text = f"{tmp_path}/api.sock: no controller answers (No such file or directory); is it running?"
    assert check_controller(tmp_path) == Finding("controller", "problem", text)


STATUS: dict[str, Any] = {
    "member": "us-east",
    **{name: {"problems": []} for name in ("cluster", "store", "disk", "trust")},
    **{name: [] for name in ("held", "membership", "unplanned", "members", "foreign", "nodes", "services")},
    "problem": "",
}
STATUSES: dict[str, tuple[dict[str, Any], str, str]] = {
    "good": ({}, "ok", "answers and has no problems"),
    "one": ({"problem": "A"}, "problem", "has 1 problem: A; all of it: isthmus status --api {}"),
    "two": (
        {"cluster": {"problems": ["A", "B"]}},
        "problem",
        "has 2 problems, the first: A; all of it: isthmus status --api {}",
    ),
}


@pytest.mark.parametrize("case", STATUSES)
def test_a_controller_says_what_is_wrong(case: str, tmp_path: Path) -> None:
    changed, wanted, text = STATUSES[case]
    socket = tmp_path / "api.sock"

    async def checked() -> Finding:
        app = web.Application()

        async def status(request: web.Request) -> web.Response:
            return await answered(STATUS | changed)

        app.router.add_get("/v1/status", status)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.UnixSite(runner, str(socket)).start()
        try:
            return await asyncio.to_thread(check_controller, tmp_path)
        finally:
            await runner.cleanup()

    found = asyncio.run(checked())
    assert found == Finding("controller", wanted, f"{socket}: member us-east {text.format(socket)}")  # type: ignore[arg-type]


async def answered(body: Any, code: int = 200) -> web.Response:
    return web.json_response(body, status=code)


def kinds(answer: Any, code: int = 200, without: tuple[str, ...] = ()) -> tuple[str, Finding]:
    """The check against an API server whose discovery says this (None: all of ours but those `without`)."""

    async def discovery(request: web.Request) -> web.Response:
        group, version = request.match_info["group"], request.match_info["version"]
        if answer is not None:
            return await answered(answer, code)
        names = [one.plural for one in KINDS.values() if (one.group, version) in ((group, v) for v in one.versions)]
        left = [{"name": name} for name in names if f"{name}/{version}" not in without]
        return await answered({"resources": left}) if left else await answered({"code": 404}, 404)

    async def checked() -> tuple[str, Finding]:
        app = web.Application()
        app.router.add_get("/apis/{group}/{version}", discovery)
        runner = web.AppRunner(app)
        await runner.setup()
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        server = f"http://127.0.0.1:{port}"
        try:
            return server, await check_kinds(KubeAccess(server, False))
        finally:
            await runner.cleanup()

    return asyncio.run(checked())


APPLY = "run `kubectl apply --server-side -f federation/crds/`"
ALL = "AccessPolicy, ClusterProperty, Drain, EgressPolicy, GlobalName, MemberCluster, ServiceExport, ServiceImport, TrafficPolicy"
SERVED: dict[str, tuple[tuple[Any, ...], str, str]] = {
    "all": ((None,), "ok", f"serves all 9 kinds: {ALL}"),
    "one version of one": (
        (None, 200, ("serviceimports/v1alpha1",)),
        "problem",
        f"does not serve serviceimports.multicluster.x-k8s.io/v1alpha1; {APPLY}",
    ),
    "a whole group": (
        (None, 200, ("drains/v1alpha1", "globalnames/v1alpha1", "memberclusters/v1alpha1", "trafficpolicies/v1alpha1")),
        "problem",
        "does not serve trafficpolicies.isthmus.dev/v1alpha1, globalnames.isthmus.dev/v1alpha1, "
        f"drains.isthmus.dev/v1alpha1, memberclusters.isthmus.dev/v1alpha1; {APPLY}",
    ),
    "not for us": (
        ({"reason": "Unauthorized", "message": "Unauthorized"}, 401),
        "problem",
        "refuses to say what it serves: 401 Unauthorized: Unauthorized; check the user of the kubeconfig",
    ),
    "no list": (
        ([1], 200),
        "problem",
        "cannot be asked: /apis/about.k8s.io/v1alpha1 is no APIResourceList: Expected `object`, got `array`; "
        "check the address and the CA of the kubeconfig",
    ),
}


@pytest.mark.parametrize("case", SERVED)
def test_kinds(case: str) -> None:
    arguments, status, text = SERVED[case]
    server, found = kinds(*arguments)
    assert found == Finding("kinds", status, f"{server} {text}")  # type: ignore[arg-type]


def test_kinds_with_nobody_there() -> None:
    server = f"http://127.0.0.1:{free_port()}"
    found = asyncio.run(check_kinds(KubeAccess(server, False)))
    assert found.status == "problem"
    assert found.text.startswith(f"{server} cannot be asked: ClientConnectorError: ")
    assert found.text.endswith("; check the address and the CA of the kubeconfig")


def test_kinds_with_an_api_server_that_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = f"http://127.0.0.1:{silent.getsockname()[1]}"
        found = asyncio.run(check_kinds(KubeAccess(server, False), seconds=0.2))
    text = f"{server} does not answer in 0.2 s; check its address and the way there"
    assert found == Finding("kinds", "problem", text)


@pytest.fixture
def good() -> Iterator[str]:
    with forwarding(Forwarder(rcode=dns.rcode.NOERROR, text="1.0.0")) as port:
        yield f"127.0.0.1:{port}"


def test_one_line_a_check_and_what_was_left_out_is_said(good: str) -> None:
    assert said("check", "--resolver", good) == (
        0,
        f'ok       forward     {good} answers dns-version.clusterset.local with "1.0.0"\n'
        "skipped  controller  name the controller's state folder with --state\n"
        "skipped  kinds       name the cluster with --kubeconfig or --in-cluster\n",
        "",
    )


def test_a_problem_is_exit_status_1_in_json_too(good: str, tmp_path: Path) -> None:
    status, out, err = said("check", "--resolver", good, "--state", str(tmp_path), "--output", "json")
    rows = json.loads(out)
    assert (status, err) == (1, "")
    assert [(row["check"], row["status"]) for row in rows] == [
        ("forward", "ok"),
        ("controller", "problem"),
        ("kinds", "skipped"),
    ]
    assert rows[0]["text"] == f'{good} answers dns-version.clusterset.local with "1.0.0"'


BAD = {
    "a resolver by name": (("--resolver", "kube-dns"), 'E122 --resolver "kube-dns": write it as ADDRESS, ADDRESS:PORT or [IPV6]:PORT with an IP address and a port of 1 to 65535'),
    "two clusters": (("--kubeconfig", "file", "--in-cluster"), "E125 give only one of --kubeconfig FILE and --in-cluster"),
    "a context of nothing": (("--context", "a"), 'E125 --context "a" is for --kubeconfig FILE: remove it'),
    "no kubeconfig": (("--kubeconfig", "none"), 'E125 --kubeconfig "none": No such file or directory'),
    "no pod": (("--in-cluster",), "E125 --in-cluster: KUBERNETES_SERVICE_HOST is not set: this is no pod; use --kubeconfig FILE"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_mistake_is_one_line(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments, text = BAD[case]
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with inside(tmp_path):
        assert said("check", *arguments) == (2, "", f"isthmus: {text}\n")

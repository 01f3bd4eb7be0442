"""Who may call an export: one call judged in words, and what is said of policies that admit nobody."""

import pytest

from federation.model.access import AccessRule, Call, Source, normalised
from federation.model.names import ServiceKey
from federation.model.record import Port
from federation.model.spiffe import parse_spiffe
from federation.plan.access import access_notes, in_words, judged

WEB = ServiceKey("shop", "web")
HTTP, TCP, UDP = Port("http", 80, "TCP", "http"), Port("pg", 5432), Port("dns", 53, "UDP")
CLIENT = parse_spiffe("spiffe://us-east.acme.mesh/ns/shop/sa/client")
US = (Source("us-east"),)
NOBODY = "ServiceExport shop/web: no AccessPolicy admits another member: nobody but this one can call it"
USELESS = "ServiceExport shop/web: AccessPolicy ({rule}) admits nobody: {why}"

JUDGED: dict[str, tuple[AccessRule, Port, Call, tuple[bool, int, str]]] = {
    "by its member": (AccessRule(sources=US), TCP, Call(CLIENT), (True, 200, "from us-east/*/*")),
    "by all of it": (
        AccessRule(sources=(Source("us-east", "shop", "client"),), ports=("http",), methods=("GET",), paths=("/a",)),
        HTTP,
        Call(CLIENT, "GET", "/a/b"),
        (True, 200, "from us-east/shop/client; ports http; methods GET; paths /a"),
    ),
    "another member": (AccessRule(sources=(Source("us"),)), TCP, Call(CLIENT), (False, 0, "no AccessPolicy admits it")),
    "another domain": (
        AccessRule(sources=(Source(),)),
        TCP,
        Call(parse_spiffe("spiffe://us-east.other.mesh/ns/shop/sa/client")),
        (False, 0, "no AccessPolicy admits it"),
    ),
    "another method": (
        AccessRule(sources=US, methods=("GET",)),
        HTTP,
        Call(CLIENT, "HEAD", "/"),
        (False, 403, "no AccessPolicy admits it"),
    ),
    "half a segment": (
        AccessRule(sources=US, paths=("/api",)),
        HTTP,
        Call(CLIENT, "GET", "/apis"),
        (False, 403, "no AccessPolicy admits it"),
    ),
    "a path of two readings": (
        AccessRule(sources=US, paths=("/",)),
        HTTP,
        Call(CLIENT, "GET", "/a%2Fb"),
        (False, 400, "rules name paths, and this one holds an escaped slash or is none"),
    ),
    "methods on TCP": (
        AccessRule(sources=US, methods=("GET",)),
        TCP,
        Call(CLIENT, "GET", "/"),
        (False, 0, "no AccessPolicy admits it"),
    ),
    "by number": (
        AccessRule(sources=US, ports=("5432",)),
        TCP,
        Call(CLIENT),
        (True, 200, "from us-east/*/*; ports 5432"),
    ),
}


@pytest.mark.parametrize("case", JUDGED)
def test_a_call_is_judged(case: str) -> None:
    rule, port, call, (admitted, status, why) = JUDGED[case]
    (found,) = judged([port, UDP], (rule,), "acme.mesh", call)
    assert (found.admitted, found.status, found.why) == (admitted, status, why)


NOTED: dict[str, tuple[tuple[AccessRule, ...], tuple[Port, ...], list[str]]] = {
    "no rule": ((), (HTTP,), [NOBODY]),
    "only its own": ((AccessRule(sources=(Source("eu-central"),)),), (HTTP,), [NOBODY]),
    "another member": ((AccessRule(sources=US),), (HTTP,), []),
    "anybody": ((AccessRule(sources=(Source(),), methods=("GET",)),), (HTTP, TCP), []),
    "methods where there is no HTTP": (
        (AccessRule(sources=US, methods=("GET",)),),
        (TCP,),
        ["methods and paths are seen only on a port whose appProtocol is HTTP", NOBODY],
    ),
    "no such port": (
        (AccessRule(sources=US, ports=("https",)), AccessRule(sources=US)),
        (TCP,),
        ["the service has no TCP port of that name or number"],
    ),
    "a port that is UDP": (
        (AccessRule(sources=US, ports=("dns",)),),
        (UDP,),
        ["the service has no TCP port of that name or number", NOBODY],
    ),
    "no path that can be": (
        (AccessRule(sources=US, paths=("/a%2Fb",)),),
        (HTTP,),
        ["it names no caller, or no path that can be", NOBODY],
    ),
}


@pytest.mark.parametrize("case", NOTED)
def test_what_admits_nobody_is_said(case: str) -> None:
    rules, ports, expected = NOTED[case]
    told = [line if line == NOBODY else USELESS.format(rule=in_words(rules[0]), why=line) for line in expected]
    assert list(access_notes(WEB, ports, rules, "eu-central")) == told


PATHS = {
    "/": "/",
    "/a/../b": "/b",
    "/../a": "/a",
    "/a/..": "/",
    "/a/.": "/a/",
    "//a///b": "/a/b",
    "/a//../b": "/a/b",
    "/a\\b": "/a/b",
    "/%61%2e%2E/b": "/a../b",
    "/a/%2e%2E/b": "/b",
    "/a/..;x=1/b": "/b",
    "/a/%2e.;/b": "/a/..;/b",
    "/a{b}": "/a%7Bb%7D",
    "/a%2Fb": None,
    "/a%5cb": None,
    "/a%00": None,
    "/a#b": None,
    "/a b": None,
    "a": None,
    "*": None,
    "": None,
}


@pytest.mark.parametrize("path", PATHS)
def test_a_path_is_read_as_the_server_gets_it(path: str) -> None:
    assert normalised(path) == PATHS[path]

"""Who may come in: the pure decision against the real Envoy that is told the same rules, and what a refusal looks like."""

import random
import time
from collections.abc import Iterator

import pytest
from msgspec import structs

from federation.model.access import AccessRule, Call, Source, admitting, rules_at
from federation.model.names import ServiceKey
from tests.worlds.entrance import AP, DB, EU, FROM, US, WEB, Entrance, Rules, ask, port_of, said
from tests.worlds.envoy_fed import DRAIN_SECONDS
from tests.worlds.two_members import DOMAIN

SERVICES, CALLS = 30, 12
CLIENT, ROBOT = US.identity("shop", "client"), US.identity("shop", "robot")
STRANGER = AP.identity("shop", "client")
CALLERS = (
    CLIENT,
    ROBOT,
    STRANGER,
    US.identity("shop-2", "client"),
    AP.identity("shop", "robot"),
)
METHODS = ("GET", "POST", "HEAD", "DELETE")
PREFIXES = ("/", "/api", "/api/", "/pkg.Svc/Get", "/a%70i/v1", "/no%2Fpath", "/a")
PARTS = (
    *("api",) * 4,
    "api",
    "a",
    "apis",
    "..",
    ".",
    "",
    "%2e%2e",
    ".%2E",
    "..;",
    "%2e;x=1",
    "v1",
    "%2f",
    "%5C",
    "\\",
    "x y",
    "%61pi",
    "{b}",
)
GRPC = ("/pkg.Svc/Get", "/pkg.Svc/GetAll", "/pkg.Svc")


def drawn_rule(draw: random.Random) -> AccessRule:
    def some(values: tuple[str, ...], most: int) -> tuple[str, ...]:
        return tuple(draw.sample(values, draw.choice((0, 0, *range(1, most + 1)))))

    sources = tuple(
        Source(
            draw.choice(("", US.name, US.name, AP.name, "us")),
            draw.choice(("", "", "shop", "sho")),
            draw.choice(("", "", "client", "robot")),
        )
        for _ in range(draw.choice((0, 1, 2, 2)))
    )
    ports = draw.choice(((), (), (), ("http",), ("80",), ("https", "443")))
    return AccessRule(sources=sources, ports=ports, methods=some(METHODS, 3), paths=some(PREFIXES, 3))


def drawn_path(draw: random.Random) -> str:
    if draw.random() < 0.1:
        return draw.choice(GRPC)
    path = "/" + "/".join(draw.choice(PARTS) for _ in range(draw.randint(0, 4))).replace(" ", "%20")
    return path + draw.choice(("", "", "?q=/../api"))


def test_the_decision_is_the_envoys() -> None:
    """Random rules and calls, with every trick of paths that we know."""
    draw = random.Random(20261121)
    rules: dict[ServiceKey, Rules] = {
        ServiceKey("shop", f"s{number}"): tuple(drawn_rule(draw) for _ in range(draw.randint(0, 4)))
        for number in range(SERVICES)
    }
    wrong, admitted = [], 0
    with Entrance(more=rules) as entrance:
        for service, said_rules in rules.items():
            in_force = rules_at(port_of(service), said_rules)
            for _ in range(CALLS):
                call = Call(draw.choice(CALLERS), draw.choice(METHODS), drawn_path(draw))
                expected = admitting(in_force, DOMAIN, structs.replace(call, path=call.path.partition("?")[0]))
                found = entrance.call(call.identity, call.method, call.path, service=service)
                admitted += found.status == 200
                if (expected is not None) != (found.status == 200) or found.status not in (200, 400, 403):
                    wrong.append((said_rules, call, found, expected))
    assert wrong == []
    assert SERVICES * CALLS * 0.1 < admitted < SERVICES * CALLS * 0.7


@pytest.fixture(scope="module")
def entrance() -> Iterator[Entrance]:
    api = AccessRule(sources=(Source(US.name, "shop", "client"),), methods=("GET",), paths=("/api",))
    with Entrance((api,), (AccessRule(sources=(Source(US.name, "shop"),)),)) as made:
        yield made


def test_who_is_not_admitted_is_told_who_it_is_and_what_is_missing(entrance: Entrance) -> None:
    found = entrance.call(STRANGER, "GET", "/api")
    assert (found.status, found.text) == (
        403,
        "spiffe://ap-south.acme.mesh/ns/shop/sa/client may not GET this path of shop/web/http in eu-central: "
        "no AccessPolicy there admits it\n",
    )


def test_the_server_gets_the_path_that_the_rules_were_asked_about(entrance: Entrance) -> None:
    assert entrance.call(CLIENT, "GET", "/x/..//%61pi/./v1").seen == {"method": "GET", "path": "/api/v1"}


@pytest.mark.parametrize(
    "path",
    [
        "/apis",
        "/api/../x",
        "/api/%2e%2e/x",
        "/api\\..\\x",
        "/api/..;/x",
        "/api/%2e%2e;/x",
        "/api/..%3b/x",
        "/api/.%2e;x",
        "/API",
        "/",
    ],
)
def test_no_path_leads_out_of_the_prefix(entrance: Entrance, path: str) -> None:
    assert entrance.call(CLIENT, "GET", path).status == 403


@pytest.mark.parametrize("path", ["/api%2fx", "/api/..%2Fx", "/api/..%5cx", "/api#x", "/api%00"])
def test_a_path_that_servers_read_differently_is_refused(entrance: Entrance, path: str) -> None:
    assert entrance.call(CLIENT, "GET", path).status == 400


def test_another_method_is_not_admitted(entrance: Entrance) -> None:
    assert entrance.call(CLIENT, "POST", "/api").status == 403
    assert entrance.call(CLIENT, "POST", "/api", headers={"x-http-method-override": "GET"}).status == 403


def test_grpc_gets_permission_denied(entrance: Entrance) -> None:
    found = entrance.call(
        CLIENT, "POST", "/pkg.Svc/Get", headers={"content-type": "application/grpc", "te": "trailers"}
    )
    assert (found.status, found.headers["grpc-status"], found.seen) == (200, "7", {})
    assert "no AccessPolicy there admits it" in found.headers["grpc-message"]


def test_tcp_is_closed_for_who_is_not_admitted(entrance: Entrance) -> None:
    assert entrance.line(ROBOT)
    assert not entrance.line(STRANGER)


def test_an_identity_from_another_members_tunnel_is_closed(entrance: Entrance) -> None:
    assert entrance.call(CLIENT, "GET", "/api", source=FROM[AP.name]).status == 0
    assert not entrance.line(CLIENT, FROM[AP.name])


def test_the_members_own_identity_is_no_peers(entrance: Entrance) -> None:
    assert entrance.call(EU.identity("shop", "client"), "GET", "/api", source=FROM[US.name]).status == 0


def test_nobody_is_admitted_without_a_rule() -> None:
    with Entrance() as entrance:
        assert entrance.call(CLIENT).status == 403
        assert not entrance.line(CLIENT)


def test_a_rule_of_requests_admits_nobody_to_tcp() -> None:
    everyone = AccessRule(sources=(Source(),), methods=("GET",))
    with Entrance((everyone,), (everyone,)) as entrance:
        assert entrance.call(CLIENT).status == 200
        assert not entrance.line(CLIENT)


CLIENTS = AccessRule(sources=(Source(US.name, "shop", "client"),))
ROBOTS = AccessRule(sources=(Source(US.name, "shop", "robot"),))


def test_requests_on_a_standing_connection_follow_the_policy_and_it_stays_open() -> None:
    """Rules stand in routes: nothing is drained, and the next request is judged anew."""
    with Entrance((CLIENTS,)) as entrance, entrance.connect(CLIENT, WEB) as standing:
        assert ask(standing, "GET", "/").status == 200
        entrance.allow(WEB, ROBOTS)
        assert ask(standing, "GET", "/").status == 403
        entrance.allow(WEB, CLIENTS)
        assert ask(standing, "GET", "/").status == 200
        assert entrance.envoy.stats("listener_manager.listener_(modified|in_place_updated)$") == {
            "listener_manager.listener_in_place_updated": 0,
            "listener_manager.listener_modified": 0,
        }


def test_a_policy_of_a_tcp_port_ends_the_connections_of_that_port_alone_when_they_are_drained() -> None:
    with (
        Entrance((CLIENTS,), (CLIENTS,)) as entrance,
        entrance.connect(CLIENT, DB) as withdrawn,
        entrance.connect(CLIENT, WEB) as other,
    ):
        assert said(withdrawn) and ask(other, "GET", "/").status == 200
        begun = time.monotonic()
        entrance.allow(DB, ROBOTS)
        assert not entrance.line(CLIENT)
        assert said(withdrawn), "it is left its time to drain"
        entrance.envoy.until("it is closed", lambda: not said(withdrawn))
        assert time.monotonic() - begun > DRAIN_SECONDS - 1
        assert ask(other, "GET", "/").status == 200
        assert entrance.line(ROBOT)

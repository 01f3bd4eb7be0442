"""Properties of headless imports that hold for every set of endpoints, policy and state of links."""

from ipaddress import ip_address

import dns.rcode
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from federation.model.handout import HeadlessSlice
from federation.model.policy import Policy
from federation.model.record import Endpoint, Port
from tests.worlds.headless import COSTS, NAME, added, ask, headless, link_down, part, serving, texts

MEMBERS = tuple(COSTS)
PORTS = (Port("sql", 5432), Port("metrics", 9100), Port("", 7000), Port("quick", 5432, "UDP"))
V4 = [f"10.0.0.{n}" for n in range(6)]
V6 = [f"fd00::{n}" for n in range(1, 7)]

endpoints = st.builds(
    Endpoint,
    st.sampled_from([*V4, *V6]),
    st.sampled_from(["ready", "ready", "unready", "draining"]),
    st.sampled_from(["", "", "db-0", "db-1"]),
)
slices = st.builds(
    lambda member, az, found, ports: part(member, *found, ports=tuple(ports), az=az),
    st.sampled_from(MEMBERS),
    st.sampled_from("ab"),
    st.lists(endpoints, max_size=6),
    st.lists(st.sampled_from(PORTS), unique=True),
)
worlds = st.tuples(st.lists(slices, max_size=6), st.sets(st.sampled_from(MEMBERS)), st.sets(st.sampled_from(MEMBERS)))
World = tuple[list[HeadlessSlice], set[str], set[str]]


def handout(world: World) -> dict[str, Struct]:
    found, drained, down = world
    values = headless(*found, policy=Policy(drain=tuple(sorted(drained))))
    for member in down - {"us-east"}:
        values |= link_down(member)
    return values


def ready(world: World) -> set[str]:
    kept = [value for value in handout(world).values() if isinstance(value, HeadlessSlice)]
    return {one.address for part in kept for one in part.endpoints if one.state == "ready"}


@settings(derandomize=True, deadline=None)
@given(worlds)
def test_the_name_is_answered_when_and_only_when_an_endpoint_is_ready_and_with_ready_ones_only(world: World) -> None:
    server, live = serving(handout(world)), ready(world)
    found = {kind: ask(server, NAME, kind) for kind in ("A", "AAAA", "SRV")}
    codes = {response.rcode() for response in found.values()}
    assert codes == {dns.rcode.NOERROR if live else dns.rcode.NXDOMAIN}
    answered = {*texts(found["A"]), *texts(found["AAAA"])}
    assert bool(answered) == bool(live)
    assert answered <= live
    assert {ip_address(text).version for text in texts(found["A"])} <= {4}


@settings(derandomize=True, deadline=None)
@given(worlds)
def test_every_srv_target_has_an_address_that_is_ready(world: World) -> None:
    server, live = serving(handout(world)), ready(world)
    names = [f"_{port.name}._{port.protocol.lower()}.{NAME}" for port in PORTS if port.name]
    for name in (NAME, *names):
        response = ask(server, name, "SRV", tcp=True)
        records = texts(response)
        assert len(records) == len(set(records))
        targets = {text.split()[3] for text in records}
        assert {line.split()[0] for line in added(response)} == targets
        for target in targets:
            addresses = {*texts(ask(server, target, "A")), *texts(ask(server, target, "AAAA"))}
            assert addresses and addresses <= live
            assert ask(server, target.partition(".")[2], "A").rcode() == dns.rcode.NOERROR, "RFC 8020"

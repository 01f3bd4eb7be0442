"""Programs that enrol themselves: who may, under which name, how often, and when one is forgotten."""

from collections.abc import Mapping

import pytest

from federation.config import Enrolment
from federation.model.errors import InputError, Refused, Unavailable
from federation.model.handout import Role
from federation.model.names import is_label
from federation.model.tokens import ServiceAccount
from federation.trust.enrolment import (
    ENROLLED_MAX,
    SOURCES_MAX,
    Absence,
    Account,
    Pace,
    check_room,
    enrolment_of,
    parse_accounts,
    program_name,
)

ACCOUNTS: Mapping[Role, Account] = {
    "gateway": ("sys", "gw"),
    "node": ("sys", "agent"),
    "dns": ("sys", "dns"),
    "xds": ("sys", "xds"),
}


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["cook=a/b"], 'E125 --enroll "cook=a/b": write it as ROLE=NAMESPACE/ACCOUNT; roles: gateway, node, dns, xds'),
        (["node=a"], 'E125 --enroll "node=a": write it as ROLE=NAMESPACE/ACCOUNT; roles: gateway, node, dns, xds'),
        (["node=A/b"], 'E114 --enroll namespace "A": must be a DNS label (1 to 63 of a-z, 0-9 and inner "-")'),
        (["node=a/"], 'E114 --enroll account "": must be a DNS label (1 to 63 of a-z, 0-9 and inner "-")'),
        (["node=isthmus/a"], 'E105 --enroll "node=isthmus/a": the namespace "isthmus" is that of our own identities'),
        (["node=a/b", "node=a/c"], 'E125 --enroll "node=a/c": the role node has the account a/b'),
        (
            ["node=a/b", "gateway=a/b"],
            'E125 --enroll "gateway=a/b": is the account of the role node; give each role its own',
        ),
    ],
)
def test_accounts_that_are_refused(texts: list[str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_accounts(texts)
    assert str(caught.value) == said


def test_one_account_a_role() -> None:
    assert parse_accounts(["gateway=sys/gw", "node=sys/agent", "dns=sys/dns", "xds=sys/xds"]) == ACCOUNTS


@pytest.mark.parametrize(
    ("role", "place", "name"),
    [
        ("node", "worker-1", "node-worker-1"),
        ("gateway", "worker-1", "gateway-worker-1"),
        ("dns", "isthmus-dns-7d9f8b6c5-x2x9k", "dns-isthmus-dns-7d9f8b6c5-x2x9k"),
        ("node", "ip-10-0-1-23.ec2.internal", "node-ip-10-0-1-23-ec2-internal-50fb9056cf3a89b3"),
        ("node", "a" * 63, "node-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-7d3e74a05d7db15b"),
    ],
)
def test_names_follow_from_role_and_place(role: Role, place: str, name: str) -> None:
    assert program_name(role, place) == name
    assert is_label(name)


def test_no_node_can_be_called_what_another_is_hashed_to() -> None:
    hashed = program_name("node", "a.b")
    assert program_name("node", hashed.removeprefix("node-")) != hashed


@pytest.mark.parametrize(
    ("role", "found", "said"),
    [
        ("cook", ("sys", "agent", "p", "n1"), 'E105 enrolment: no account may have the role "cook" here; see --enroll'),
        (
            "gateway",
            ("sys", "agent", "p", "n1"),
            "E105 service account token of sys/agent: the role gateway is for sys/gw",
        ),
        (
            "node",
            ("shop", "agent", "p", "n1"),
            "E105 service account token of shop/agent: the role node is for sys/agent",
        ),
        (
            "node",
            ("sys", "agent", "p", ""),
            "E105 service account token of sys/agent: the API server names no node in it (Kubernetes 1.32 or later does)",
        ),
    ],
)
def test_who_may_not_enrol(role: str, found: tuple[str, str, str, str], said: str) -> None:
    with pytest.raises(Refused) as caught:
        enrolment_of(role, ServiceAccount(*found), ACCOUNTS)
    assert str(caught.value) == said


def test_who_may() -> None:
    node = enrolment_of("node", ServiceAccount("sys", "agent", "p", "n.1"), ACCOUNTS)
    assert (node.role, node.kubernetes, node.attests) == ("node", "n.1", True)
    gateway = enrolment_of("gateway", ServiceAccount("sys", "gw", "p", "n1"), ACCOUNTS)
    assert gateway == Enrolment(name="gateway-n1", role="gateway", kubernetes="n1")
    assert enrolment_of("dns", ServiceAccount("sys", "dns", "p"), ACCOUNTS) == Enrolment(name="dns-p", role="dns")
    assert enrolment_of("xds", ServiceAccount("sys", "xds", "p"), ACCOUNTS) == Enrolment(name="xds-p", role="xds")


def test_there_is_room_for_so_many_and_always_for_those_who_are_known() -> None:
    full = {f"dns-{n}": Enrolment(name=f"dns-{n}", role="dns") for n in range(ENROLLED_MAX)}
    check_room("dns-1", full)
    with pytest.raises(Refused) as caught:
        check_room("dns-new", full)
    assert str(caught.value) == 'E118 enrolment of "dns-new": 10000 programs have enrolled, limit 10000'


def test_one_source_that_asks_in_a_loop_is_slowed_down_alone() -> None:
    pace = Pace(0.0)
    for _ in range(20):
        pace.check("10.0.0.1", 0.0)
    with pytest.raises(Unavailable) as caught:
        pace.check("10.0.0.1", 0.0)
    assert str(caught.value) == "E190 enrolment: 10.0.0.1 asks more than 2 times a second; ask later"
    pace.check("10.0.0.2", 0.0)
    pace.check("10.0.0.1", 0.5)


def test_all_together_are_slowed_down() -> None:
    pace = Pace(0.0)
    for n in range(100):
        pace.check(f"10.0.0.{n}", 0.0)
    with pytest.raises(Unavailable) as caught:
        pace.check("10.0.1.1", 0.0)
    assert str(caught.value) == "E190 enrolment: more than 20 questions a second in all; ask later"
    pace.check("10.0.1.1", 1.0)


def test_the_sources_that_are_remembered_are_bounded() -> None:
    pace = Pace(0.0)
    for n in range(SOURCES_MAX + 10):
        pace.check(f"s{n}", n)
    assert len(pace._sources) == SOURCES_MAX


NODE = Enrolment(name="node-n1", role="node", kubernetes="n1", attests=True)
DNS = Enrolment(name="dns-p", role="dns")
BOTH = {one.name: one for one in (NODE, DNS)}
HERE, GONE, UP = frozenset({"n1"}), frozenset({"n2"}), frozenset({"dns-p"})


@pytest.mark.parametrize(
    ("nodes", "connected", "seconds", "forgotten"),
    [
        (HERE, UP, 100_000.0, []),
        (GONE, UP, 599.0, []),
        (GONE, UP, 600.0, ["node-n1"]),
        (None, UP, 100_000.0, []),
        (frozenset(), UP, 600.0, ["node-n1"]),
        (HERE, frozenset(), 3_599.0, []),
        (HERE, frozenset(), 3_600.0, ["dns-p"]),
    ],
)
def test_who_is_forgotten(
    nodes: frozenset[str] | None, connected: frozenset[str], seconds: float, forgotten: list[str]
) -> None:
    absence = Absence()
    assert absence.over(BOTH, nodes, connected, 0.0) == []
    assert absence.over(BOTH, nodes, connected, seconds) == forgotten


def test_unknown_in_between_begins_the_count_anew() -> None:
    absence = Absence()
    for now, nodes, forgotten in ((0.0, GONE, []), (500.0, None, []), (600.0, GONE, []), (1_200.0, GONE, ["node-n1"])):
        assert absence.over({NODE.name: NODE}, nodes, UP, now) == forgotten

"""Whom an EgressPolicy keeps from other members: by service at the proxy, by address in nft. Nobody else notices."""

import pytest
from msgspec import structs

from federation.model.confine import Callee, Confined
from federation.model.handout import Here, Import, Workload
from federation.model.names import MemberName, ServiceKey
from federation.model.policy import Panic, Policy
from federation.model.record import Endpoint
from gateways.flat_state import Kept
from gateways.intent import intend
from gateways.render.nft import Addresses
from gateways.render.tables import table_of
from gateways.state import NodeState
from tests.unit.gateways.test_flat import FLAT, OWN, SITE
from tests.unit.gateways.test_intent import EU, EU_PEER, NODE, US
from tests.worlds.two_members import candidate, keyed, site, web_import, web_pool

CART, FRONT = Workload("shop", "cart", ("10.1.3.7",)), Workload("shop", "front", ("10.1.3.8",))
HOME = web_pool(Endpoint("10.1.1.1"))
BOTH = web_import(candidate(US, 1, 1, cost=0), candidate(EU, 1, 1))


def policy(name: str = "kept", *services: Callee, accounts: tuple[str, ...] = ("cart",), members: tuple[str, ...] = (), namespace: str = "shop") -> Confined:  # fmt: skip
    return Confined(namespace=namespace, name=name, accounts=accounts, services=services, members=members)


def towards(*policies: Confined, item: Import = BOTH, home: bool = True) -> dict[str, str]:
    """By account the cluster that its connections take; and where everybody else's go."""
    pools = [HOME] if home else []
    state = intend(NODE, keyed(site(US), EU_PEER, item, CART, FRONT, *pools, *policies))
    (listener,) = state.listeners
    found = {one.identity.segments[-1]: one.cluster for one in listener.chains}
    return found | {"": listener.default}


ABROAD = {"cart": "out/shop/web/http/ns/shop/sa/cart", "front": "out/shop/web/http/ns/shop/sa/front"}
LOCAL = {"": "out/shop/web/http/local"}
KEPT = {"front": ABROAD["front"]} | LOCAL

POLICIES: dict[str, tuple[tuple[Confined, ...], dict[str, str]]] = {
    "none": ((), ABROAD | LOCAL),
    "nothing": ((policy(),), KEPT),
    "another service": ((policy("a", Callee("shop", "db")),), KEPT),
    "another namespace's": ((policy("a", Callee("pay")),), KEPT),
    "this service": ((policy("a", Callee("shop", "web")),), ABROAD | LOCAL),
    "its namespace": ((policy("a", Callee("shop")),), ABROAD | LOCAL),
    "its name anywhere": ((policy("a", Callee("", "web")),), ABROAD | LOCAL),
    "everything": ((policy("a", Callee()),), ABROAD | LOCAL),
    "two add up": ((policy("a"), policy("b", Callee("shop", "web"))), ABROAD | LOCAL),
    "for the whole namespace": ((policy("a", accounts=()),), LOCAL),
    "of the namespace, and one more for an account": (
        (policy("a", accounts=()), policy("b", Callee("shop"), accounts=("front",))),
        KEPT,
    ),
    "for another namespace": ((policy("a", accounts=(), namespace="pay"),), ABROAD | LOCAL),
    "by address alone": ((policy("a", members=("eu-central",)),), KEPT),
}


@pytest.mark.parametrize("case", POLICIES)
def test_who_leaves_the_member(case: str) -> None:
    policies, found = POLICIES[case]
    assert towards(*policies) == found


def test_without_own_endpoints_he_reaches_nothing() -> None:
    assert towards(policy(), item=web_import(candidate(EU, 1, 1)), home=False) == {"front": ABROAD["front"], "": ""}


def test_a_fallback_he_may_not_call_does_not_take_his_requests() -> None:
    gone = structs.replace(
        web_import(candidate(EU, 0, 1)), policy=Policy(panic=Panic(action="fallback", fallback="sorry"))
    )

    def instead(*policies: Confined) -> set[str]:
        state = intend(NODE, keyed(site(US), EU_PEER, gone, CART, FRONT, *policies))
        routes = state.services[gone.service].routes
        return {one.name.rpartition("/")[2] for one in routes if one.cluster != one.name}

    assert instead() == {"cart", "front"}
    assert instead(policy("a", Callee("shop", "web"))) == {"front"}
    assert instead(policy("a", Callee("shop"))) == {"cart", "front"}


def flat_of(*policies: Confined) -> NodeState:
    situation = structs.replace(NODE, device="ist00000a", pods=("10.1.3.0/24",))
    here = Here(overlay="fd49:7374:0:1:0:1:0:7")
    both = Workload("shop", "cart", ("10.1.3.7", "fd00:1:0:3::7"))
    return intend(situation, keyed(SITE, here, FLAT, OWN[0], both, FRONT, *policies))


def test_by_address_he_opens_only_what_is_of_members_that_it_names() -> None:
    state = flat_of(policy("a", Callee()))
    assert state.flat is not None
    number = FLAT.number
    assert state.flat.kept == (Kept(number, "10.1.3.7"), Kept(number, "fd00:1:0:3::7"))
    table = table_of(state)
    sets = {one.name: one.elements for one in table.sets if isinstance(one, Addresses)}
    assert sets == {f"kept_ip_{number}": (("10.1.3.7",),), f"kept_ip6_{number}": (("fd00:1:0:3::7",),)}
    chains = {chain.name: str(chain.rules) for chain in table.chains}
    assert chains["flat_forward"].count("flat_kept") == 2 and "drop" in chains["flat_kept"]
    free = flat_of(policy("a", members=("eu-central",)))
    assert free.flat is not None and free.flat.kept == ()
    assert "kept" not in str(table_of(free)) and table_of(free) == table_of(flat_of())


def test_a_policy_that_changes_is_followed_by_all_services() -> None:
    other = structs.replace(
        BOTH, service=ServiceKey("shop", "db"), ports=(structs.replace(BOTH.ports[0], listener=16_009),)
    )
    state = intend(NODE, keyed(site(US), EU_PEER, BOTH, other, CART, HOME, policy("a", Callee("shop", "db"))))
    found = {one.service: [chain.identity.segments[-1] for chain in one.chains] for one in state.listeners}
    assert found == {"shop/db": ["cart"], "shop/web": []}
    assert MemberName("eu-central") in {one.member for one in BOTH.candidates}

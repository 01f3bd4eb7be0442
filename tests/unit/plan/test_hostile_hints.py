"""The oldest exporter may be the compromised one: its hints move nobody's endpoints but its own."""

import pytest

from federation.law.case import case_of
from federation.law.shares import rule
from federation.model.handout import Import
from federation.model.local import LocalFacts
from federation.model.names import MemberName, ServiceKey
from federation.model.policy import Affinity, Policy, Ramp
from federation.model.record import Endpoint, Export, Port, Slice, Traits
from federation.model.resilience import Outlier, Resilience, Timeouts
from federation.model.wish import Wish
from federation.plan.service import Offered, ServiceInputs, plan_service

WEB, PORT = ServiceKey("shop", "web"), Port("http", 80, "TCP", "http")
US, EU, ASIA = MemberName("us-east"), MemberName("eu-central"), MemberName("asia")
LIES = Wish(capacity=1, ramp=Ramp(1, 3_600), outlier=Outlier(errors=1, percent=100), timeouts=Timeouts(request=1))


def endpoints(number: int) -> tuple[Slice, ...]:
    return (Slice(service=WEB, az="a", ports=(PORT,), endpoints=(Endpoint(f"10.{number}.1.1"),)),)


def offers(member: MemberName, number: int, hint: Wish = Wish(), **traits: str) -> Offered:  # noqa: B008
    made = Export(service=WEB, ports=(PORT,), hint=hint, traits=Traits(**traits))  # type: ignore[arg-type]
    slices = endpoints(number)
    return Offered(
        member=member, region=member, order=number, cost=90 * number, export=made, slices=slices, number=number
    )


def imported(*peers: Offered, exported: bool, policy: Wish | None = None, demand: int = 1_000) -> Import:
    local = LocalFacts(key=WEB, policy=policy)
    if exported:
        local = LocalFacts(
            key=WEB, exported=True, kind="ClusterSetIP", ports=(PORT,), slices=endpoints(9), policy=policy
        )
    inputs = ServiceInputs(
        own=US,
        region="us-east",
        order=9,
        local=local,
        peers=peers,
        addresses=("10.96.0.1",),
        listeners={"http.TCP.80": 20_000},
        numbers={US: 9},
        demand=demand,
    )
    found = plan_service(inputs).handout["import/shop/web"]
    assert isinstance(found, Import)
    return found


@pytest.mark.parametrize("exported", [True, False])
def test_a_capacity_is_that_of_its_own_endpoints_alone(exported: bool) -> None:
    """Else a claim that everybody's endpoints are small draws everybody's requests."""
    found = imported(offers(EU, 2, Wish(capacity=1)), offers(ASIA, 3), exported=exported)
    assert found.policy.capacity == 0
    assert {c.member: c.capacity for c in found.candidates if c.capacity} == {EU: 1}
    shares = rule(found.candidates, case_of(found, US, "us-east", {}, 1))
    assert shares.of(US if exported else ASIA) > 990_000


def test_who_exports_a_service_too_treats_requests_by_no_other_exporters_word() -> None:
    found = imported(offers(EU, 2, LIES), exported=True)
    assert found.policy == Policy()
    here = imported(offers(EU, 2, LIES), exported=True, policy=Wish(ramp=Ramp(20, 5)))
    assert here.policy == Policy(ramp=Ramp(20, 5))


def test_who_only_calls_it_treats_requests_by_the_oldest_exporters_word() -> None:
    found = imported(offers(EU, 2, LIES), offers(ASIA, 3, Wish(timeouts=Timeouts(request=5))), exported=False)
    assert found.policy == Policy(
        ramp=Ramp(1, 3_600), resilience=Resilience(outlier=Outlier(errors=1, percent=100), timeouts=Timeouts(request=1))
    )


def test_the_session_affinity_of_the_oldest_service_is_everybodys() -> None:
    """A property of the service, as the Multi-Cluster Services API has it."""
    found = imported(offers(EU, 2, session_affinity="ClientIP"), exported=True)
    assert found.policy.affinity == Affinity()

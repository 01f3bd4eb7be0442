"""sessionAffinity of a Service is the weakest word on affinity: every policy is stronger."""

import pytest

from federation.model.handout import Import, Offer
from federation.model.local import LocalFacts
from federation.model.names import MemberName, ServiceKey
from federation.model.policy import Affinity
from federation.model.record import Port, Traits
from federation.model.wish import Wish
from federation.plan.service import ServiceInputs, plan_service

WEB = ServiceKey("shop", "web")
BY_USER = Affinity(by="header", name="x-user")


@pytest.mark.parametrize(
    ("session", "policy", "affinity", "level"),
    [
        ("None", None, None, None),
        ("ClientIP", None, Affinity(), "Service sessionAffinity"),
        ("ClientIP", Wish(affinity=BY_USER), BY_USER, "service"),
    ],
)
def test_whose_word_counts(session: str, policy: Wish | None, affinity: Affinity | None, level: str | None) -> None:
    local = LocalFacts(
        key=WEB,
        exported=True,
        kind="ClusterSetIP",
        ports=(Port("http", 80),),
        traits=Traits(session_affinity=session),
        policy=policy,
    )
    plan = plan_service(
        ServiceInputs(
            own=MemberName("us-east"),
            region="us",
            order=1,
            local=local,
            peers=(),
            addresses=("10.96.0.1",),
            listeners={"http.TCP.80": 20_000},
        )
    )
    imported, offer = plan.handout["import/shop/web"], plan.handout["offer/shop/web"]
    assert isinstance(imported, Import) and isinstance(offer, Offer)
    assert imported.policy.affinity == affinity == offer.policy.affinity
    assert plan.levels.get("affinity") == level

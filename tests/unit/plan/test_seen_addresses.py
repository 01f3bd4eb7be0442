"""Where local addresses have an image, others are told that, and our own programs what our pods have."""

from federation.model.flat import Image
from federation.model.handout import HeadlessSlice, Pool
from federation.model.local import LocalFacts
from federation.model.names import MemberName, ServiceKey
from federation.model.record import Endpoint, Port, Slice
from federation.plan.service import ServiceInputs, ServicePlan, plan_service

DB = ServiceKey("shop", "db")
PORTS = (Port("sql", 5432),)


def planned(*images: Image) -> ServicePlan:
    endpoints = Endpoint("10.244.3.7", hostname="db-0"), Endpoint("fd00:1::7", hostname="db-0")
    part = Slice(service=DB, az="a", ports=PORTS, endpoints=endpoints)
    local = LocalFacts(key=DB, kind="Headless", ports=PORTS, exported=True, slices=(part,))
    inputs = ServiceInputs(
        own=MemberName("us-east"),
        region="us",
        order=1,
        local=local,
        peers=(),
        addresses=(),
        listeners={"sql.TCP.5432": 20_000},
        images=images,
    )
    return plan_service(inputs)


def addresses(found: object) -> list[str]:
    assert isinstance(found, Slice | Pool | HeadlessSlice)
    return [one.address for one in found.endpoints]


def test_each_is_told_the_address_at_which_it_reaches_the_pod() -> None:
    plan = planned(Image("10.244.0.0/16", "100.70.0.0/16"))
    (record,) = (one for one in plan.record.values() if isinstance(one, Slice))
    own = [one for one in plan.handout.values() if isinstance(one, Pool | HeadlessSlice)]
    assert addresses(record) == ["100.70.3.7", "fd00:1::7"]
    assert len(own) == 2 and all(addresses(one) == ["10.244.3.7", "fd00:1::7"] for one in own)


def test_without_images_there_is_one_address() -> None:
    (record,) = (one for one in planned().record.values() if isinstance(one, Slice))
    assert addresses(record) == ["10.244.3.7", "fd00:1::7"]

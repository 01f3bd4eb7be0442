"""What `--workload` and `--workload-uid` say together, as it is kept and handed out."""

import msgspec

from federation.cli.enroll import parse_workloads
from federation.config import Enrolment
from federation.model.handout import UnixUser, Workload
from federation.wire.handout import HANDOUT
from federation.wire.keyed import encode


def test_an_account_is_one_workload_however_it_is_known() -> None:
    found = parse_workloads(
        ("shop/web=10.1.0.9,10.1.0.10", "shop/web=10.1.0.11", "shop/pay=fd00::1"),
        ("shop/web=1000", "shop/web=1001:7", "shop/robot=0:0", "shop/pay=1001:8"),
    )
    assert found == (
        Workload("shop", "web", ("10.1.0.9", "10.1.0.10", "10.1.0.11"), (UnixUser(1000), UnixUser(1001, 7))),
        Workload("shop", "pay", ("fd00::1",), (UnixUser(1001, 8),)),
        Workload("shop", "robot", (), (UnixUser(0, 0),)),
    )
    for workload in found:
        assert HANDOUT.decode("workload/shop/x", encode(workload)) == workload
    kept = msgspec.json.encode(Enrolment(name="n1", role="node", workloads=found))
    assert msgspec.json.decode(kept, type=Enrolment).workloads == found


def test_what_an_older_version_kept_and_handed_out_is_still_read() -> None:
    kept = b'{"name":"n1","role":"node","workloads":[{"namespace":"shop","account":"web","addresses":["10.1.0.9"]}]}'
    assert msgspec.json.decode(kept, type=Enrolment).workloads == (Workload("shop", "web", ("10.1.0.9",)),)
    data = msgspec.msgpack.encode({"namespace": "shop", "account": "web", "addresses": ["10.1.0.9"]})
    assert HANDOUT.decode("workload/shop/web", data) == Workload("shop", "web", ("10.1.0.9",))

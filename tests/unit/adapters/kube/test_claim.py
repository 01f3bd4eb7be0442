"""A cluster that is another member's is neither read nor written."""

import asyncio
from typing import Any

import pytest

from federation.adapters.kube.claim import Claim
from federation.adapters.kube.kinds import FOLLOWED
from federation.model.errors import Unavailable
from federation.model.moves import Order
from federation.model.names import MemberName
from tests.worlds.api_double import ApiDouble
from tests.worlds.kube_following import ALL, Following

LABEL, MARK = FOLLOWED["ClusterProperty"].mark
EAST = MemberName("us-east")


def prop(name: str, value: str, labels: dict[str, str] | None = None) -> dict[str, Any]:
    metadata = {"name": name, "labels": {LABEL: MARK} if labels is None else labels}
    return {
        "apiVersion": "about.k8s.io/v1beta1",
        "kind": "ClusterProperty",
        "metadata": metadata,
        "spec": {"value": value},
    }


IDS = [
    (
        ("eu-west", "acme.mesh"),
        'ClusterProperty cluster.clusterset.k8s.io: field "spec.value": is "eu-west", not "us-east": this cluster is '
        'member "eu-west" of acme.mesh; nothing of it is read or written. Stop one of the two controllers; if the '
        "other is gone for good, run `kubectl delete clusterproperty cluster.clusterset.k8s.io`",
    ),
    (
        ("us-east", "other.mesh"),
        'ClusterProperty clusterset.k8s.io: field "spec.value": is "other.mesh", not "acme.mesh": this cluster is '
        'member "us-east" of other.mesh; nothing of it is read or written. Stop one of the two controllers; if the '
        "other is gone for good, run `kubectl delete clusterproperty clusterset.k8s.io`",
    ),
]


@pytest.mark.parametrize(("said", "text"), IDS)
def test_another_members_cluster_is_left_alone_until_it_is_ours(said: tuple[str, str], text: str) -> None:
    async def story() -> None:
        async with ApiDouble() as double:
            for kind, value in ALL:
                await double.put(kind, value)
            for name, text_of in zip(("cluster.clusterset.k8s.io", "clusterset.k8s.io"), said, strict=True):
                await double.put("ClusterProperty", prop(name, text_of))
            following = Following(double, claim=Claim(EAST, "acme.mesh"))
            task = asyncio.create_task(following.start())
            try:
                await following.until(lambda: following.kube.problems == (text,))
                with pytest.raises(Unavailable):
                    await following.kube.make_drain("d", EAST, Order(since=0, seconds=0, reason=""))
                assert following.kube.certainty == "unknown"
                for name in ("cluster.clusterset.k8s.io", "clusterset.k8s.io"):
                    await double.delete("ClusterProperty", "", name)
                await following.until(lambda: following.kube.certainty == "fresh")
                assert following.kube.problems == ()
                await double.put("ClusterProperty", prop("cluster.clusterset.k8s.io", "ap-south"))
                await following.until(lambda: following.kube.certainty == "unknown")
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    asyncio.run(story())


@pytest.mark.parametrize(
    "found",
    [
        [],
        [prop("cluster.clusterset.k8s.io", "us-east"), prop("clusterset.k8s.io", "acme.mesh")],
        [prop("cluster.clusterset.k8s.io", "named-by-the-platform", {})],
        [prop("example.com/tier", "gold")],
    ],
)
def test_ours_and_what_others_say_of_it(found: list[dict[str, Any]]) -> None:
    async def story() -> None:
        async with ApiDouble() as double:
            for kind, value in (*ALL, *(("ClusterProperty", one) for one in found)):
                await double.put(kind, value)
            following = Following(double, claim=Claim(EAST, "acme.mesh"))

            async def told(following: Following) -> None:
                assert following.kube.problems == ()

            await following.run(told)

    asyncio.run(story())

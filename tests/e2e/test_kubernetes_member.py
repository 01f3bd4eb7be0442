"""A controller over a Kubernetes API: the public command, and the double by its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.netns.spaces import await_true
from tests.worlds.clusters import Bed
from tests.worlds.federated import Member
from tests.worlds.public_cli import Site


@contextmanager
def member(path: Path) -> Iterator[tuple[Site, Member]]:
    """us-east alone, which exports shop/hello with two endpoints."""
    bed, site = Bed("double", path), Site(path)
    try:
        found = Member("us-east", bed.one, "shop")
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
        bed.one.ok("POST", "/api/v1/namespaces", space)
        found.hello()
        found.export()
        site.found()
        site.run("us-east", bed.one.kubeconfig)
        yield site, found
    finally:
        site.stop()
        bed.end()


def test_exports_of_a_cluster_are_followed(tmp_path: Path) -> None:
    with member(tmp_path) as (site, found):
        (own,) = site.explain("us-east", "shop/hello")["inputs"]
        assert (own["member"], own["cost_from"], own["ready"], own["total"]) == ("us-east", "own member", 2, 2)
        found.hello(pods=3)
        await_true("the third endpoint", lambda: site.explain("us-east", "shop/hello")["inputs"][0]["ready"] == 3)
        found.delete("ServiceExport", "hello")
        await_true("the export is gone", lambda: site.status("us-east")["services"] == [])

"""eu-central and ap-south cannot reach each other; us-east, which both reach, brings each the other's record as signed.

Real processes on loopback: the ledger names addresses of the two at which nobody listens.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.netns.spaces import await_true
from tests.worlds.ports import free_port
from tests.worlds.public_cli import Site

MEMBERS = ("us-east", "eu-central", "ap-south")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path, MEMBERS)
    made.sync |= {name: f"127.0.0.1:{free_port()}" for name in MEMBERS[1:]}
    try:
        made.found()
        for name in MEMBERS:
            made.run(name)
        yield made
    finally:
        made.stop()


def write(site: Site, member: str, service: str) -> None:
    """This member exports a service of this name."""
    meta = {"metadata": {"namespace": "shop", "name": service}}
    spec = {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"name": "http", "port": 80}]}}
    exported = {"apiVersion": "multicluster.x-k8s.io/v1beta1", "kind": "ServiceExport"}
    text = "\n---\n".join(json.dumps(one | meta) for one in (spec, exported))
    (site.path / member / "manifests" / f"{service}.yaml").write_text(text)


def seen(site: Site, reader: str, owner: str) -> dict[str, Any]:
    """How this member stands to the other."""
    return next(row for row in site.status(reader)["members"] if row["member"] == owner)


def imports(site: Site, reader: str) -> set[str]:
    return {row["service"] for row in site.status(reader)["services"]}


def test_records_come_through_a_third_and_stay_the_owners(site: Site) -> None:
    write(site, "ap-south", "web")
    await_true("the record comes", lambda: imports(site, "eu-central") == {"shop/web"}, 40)
    row = seen(site, "eu-central", "ap-south")
    assert (row["session"], row["state"], row["via"]) == ("down", "relayed", "us-east")
    write(site, "ap-south", "api")
    await_true("a change follows", lambda: imports(site, "eu-central") == {"shop/api", "shop/web"}, 40)
    own = site.status("ap-south")["record"]
    await_true("the owner's generation", lambda: seen(site, "eu-central", "ap-south")["record"] == own)
    assert not [line for name in MEMBERS for line in site.log(f"{name}-controller") if line["message"] == "refused"]

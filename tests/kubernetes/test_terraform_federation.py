"""`modules/federation` against an API server: the member's address from its node, Secrets and manifests applied, waited for."""

import sys
import threading
import time
from pathlib import Path

from federation.config import Folder
from federation.registrar.ledger import ledger_in
from tests.worlds.api_server import ApiServer
from tests.worlds.terraform import Terraform, needs_terraform

pytestmark = needs_terraform
ISTHMUS = str(Path(sys.executable).with_name("isthmus"))
DEPLOYMENT = "/apis/apps/v1/namespaces/isthmus-system/deployments/isthmus-controller"


def play_the_cluster(server: ApiServer, stop: threading.Event) -> None:
    """What a cluster's own controllers do: say that the Deployment runs, as soon as it is there."""
    while not stop.is_set():
        status, found = server.call("GET", DEPLOYMENT)
        if status == 200:
            counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
            done = dict.fromkeys(counts, found["spec"]["replicas"])
            done["observedGeneration"] = found["metadata"]["generation"]
            server.call("PATCH", DEPLOYMENT + "/status", {"status": done}, "application/merge-patch+json")
            return
        time.sleep(0.2)


def test_a_member_is_founded_and_deployed(server: ApiServer, tmp_path: Path) -> None:
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "worker", "labels": {"isthmus.dev/gateway": "true"}},
    }
    assert server.call("POST", "/api/v1/nodes", node)[0] == 201
    address = {
        "status": {
            "addresses": [{"type": "Hostname", "address": "worker"}, {"type": "InternalIP", "address": "192.0.2.9"}]
        }
    }
    assert server.call("PATCH", "/api/v1/nodes/worker/status", address, "application/merge-patch+json")[0] == 200
    member = (
        '[{name="us-east",region="us-east",zone="a",pod_cidr="10.1.0.0/16",service_cidr="10.96.1.0/24",'
        f'clusterset_cidr="10.100.1.0/24",kubeconfig="{server.kubeconfig}"}}]'
    )
    fixed = (
        f"-var=folder={tmp_path}/states",
        "-var=domain=acme.mesh",
        f"-var=isthmus={ISTHMUS}",
        f"-var=members={member}",
    )
    terraform = Terraform("modules/federation", tmp_path)
    stop = threading.Event()
    cluster = threading.Thread(target=play_the_cluster, args=(server, stop))
    cluster.start()
    try:
        done = terraform.change("apply", *fixed)
    finally:
        stop.set()
        cluster.join()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "successfully rolled out" in done.stdout
    folder = Folder(tmp_path / "states" / "us-east")
    entry = ledger_in(folder.ledger_bytes(), folder.own().federation).members[folder.own().name]
    assert entry.sync == ("192.0.2.9:30743",)
    for name in ("isthmus-state", "isthmus-anchor"):
        assert server.call("GET", f"/api/v1/namespaces/isthmus-system/secrets/{name}")[0] == 200
    _, service = server.call("GET", "/api/v1/namespaces/isthmus-system/services/isthmus-controller")
    assert service["spec"]["ports"][0]["nodePort"] == 30743
    assert "PRIVATE KEY" not in done.stdout + done.stderr
    destroyed = terraform.change("destroy", *fixed)
    assert destroyed.returncode == 0, destroyed.stderr

"""`isthmus check` against a real API server, before and after our definitions are applied."""

import json
from pathlib import Path

from tests.worlds.api_server import TOKEN, ApiServer, api_server, needs_api_server
from tests.worlds.command_line import said
from tests.worlds.forwarder import Forwarder, forwarding

pytestmark = needs_api_server
CRDS = Path(__file__).parents[2] / "federation" / "crds"
MISSING = (
    "clusterproperties.about.k8s.io/v1alpha1, clusterproperties.about.k8s.io/v1beta1, "
    "trafficpolicies.isthmus.dev/v1alpha1, globalnames.isthmus.dev/v1alpha1, drains.isthmus.dev/v1alpha1, "
    "memberclusters.isthmus.dev/v1alpha1, serviceexports.multicluster.x-k8s.io/v1alpha1, "
    "serviceimports.multicluster.x-k8s.io/v1alpha1, serviceexports.multicluster.x-k8s.io/v1beta1, "
    "serviceimports.multicluster.x-k8s.io/v1beta1"
)


def kubeconfig(server: ApiServer, token: str) -> Path:
    """One that checks the server's certificate, as ours must."""
    path = server.kubeconfig.with_name(f"{token}.json")
    cluster = {"server": f"https://127.0.0.1:{server.port}", "certificate-authority": "apiserver.crt"}
    content = {
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "who", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "who"}}],
    }
    path.write_text(json.dumps(content))
    return path


def kinds(server: ApiServer, token: str = TOKEN) -> tuple[int, dict[str, str]]:
    with forwarding(Forwarder(rcode=0, text="1.0.0")) as port:  # type: ignore[arg-type]
        arguments = ("--resolver", f"127.0.0.1:{port}", "--kubeconfig", str(kubeconfig(server, token)))
        status, out, _ = said("check", *arguments, "--output", "json")
    row: dict[str, str] = json.loads(out)[2]
    return status, row


def test_kinds_before_and_after_they_are_applied(tmp_path: Path) -> None:
    with api_server(tmp_path) as server:
        where = f"https://127.0.0.1:{server.port}"
        text = f"{where} does not serve {MISSING}; run `kubectl apply --server-side -f federation/crds/`"
        assert kinds(server) == (1, {"check": "kinds", "status": "problem", "text": text})
        assert server.kubectl("apply", "--server-side", "-f", str(CRDS)).returncode == 0
        assert server.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all").returncode == 0
        status, row = kinds(server)
        assert (status, row["status"]) == (0, "ok")
        assert row["text"].startswith(f"{where} serves all 7 kinds: ClusterProperty, ")
        status, row = kinds(server, "nobody")
        assert (status, row["text"]) == (
            1,
            f"{where} refuses to say what it serves: 401 Unauthorized: Unauthorized; check the user of the kubeconfig",
        )

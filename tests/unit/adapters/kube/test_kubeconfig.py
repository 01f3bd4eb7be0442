"""How an API server is reached: kubeconfig, and in the cluster."""

from pathlib import Path

import pytest

from federation.adapters.kube.kubeconfig import read_kubeconfig
from federation.model.errors import InputError

KUBECONFIG = """\
current-context: c
contexts: [{name: c, context: {cluster: k, user: u}}]
clusters: [{name: k, cluster: {server: "http://127.0.0.1:8001/"}}]
users: [{name: u, user: {token: secret}}]
"""


def test_a_kubeconfig_gives_server_and_token(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(KUBECONFIG)
    access = read_kubeconfig(path)
    assert access.server == "http://127.0.0.1:8001"
    assert access.headers()["Authorization"] == "Bearer secret"


BAD_CONFIGS = {
    "no such context": (KUBECONFIG.replace("current-context: c", "current-context: x"), 'contexts: no "x"'),
    "not yaml": ("{", "is not a kubeconfig"),
    "exec": (
        KUBECONFIG.replace("token: secret", "exec: {}"),
        'user needs "exec": install the extra k8s-auth (pip install isthmus[k8s-auth])',
    ),
    "skip verify": (
        KUBECONFIG.replace("http:", "https:").replace("8001/", '8001/", "insecure-skip-tls-verify": "x'),
        "insecure-skip-tls-verify is not supported",
    ),
}


@pytest.mark.parametrize("case", BAD_CONFIGS)
def test_a_kubeconfig_that_cannot_be_used_is_refused(tmp_path: Path, case: str) -> None:
    text, message = BAD_CONFIGS[case]
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_kubeconfig(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)

"""How an API server is reached: kubeconfig, and in the cluster."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from federation.adapters.kube.kubeconfig import read_kubeconfig
from federation.model.errors import InputError, Unavailable

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
def test_a_kubeconfig_that_cannot_be_used_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    text, message = BAD_CONFIGS[case]
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_kubeconfig(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_context_is_chosen_by_name_and_a_token_file_is_relative_to_its_file(tmp_path: Path) -> None:
    path = tmp_path / "config"
    more = "{name: d, context: {cluster: k, user: v}}"
    text = KUBECONFIG.replace("user: u}}]", f"user: u}}}}, {more}]").replace(
        "token: secret}}]", "token: secret}}, {name: v, user: {tokenFile: t}}]"
    )
    path.write_text(text)
    (tmp_path / "t").write_text("of the file\n")
    assert read_kubeconfig(path, "d").headers()["Authorization"] == "Bearer of the file"
    assert read_kubeconfig(path).headers()["Authorization"] == "Bearer secret"


def test_several_files_are_one_and_the_first_word_holds(tmp_path: Path) -> None:
    lines = KUBECONFIG.splitlines(keepends=True)
    (tmp_path / "a").write_text("".join(lines[:2]))
    (tmp_path / "b").write_text("current-context: other\n" + "".join(lines[2:]))
    access = read_kubeconfig(Path(f"{tmp_path}/a:{tmp_path}/b"))
    assert (access.server, access.token) == ("http://127.0.0.1:8001", "secret")


class Plugged:
    """What the official client gives after it ran a plugin: its Configuration, as far as we ask it."""

    def __init__(self) -> None:
        self.api_key: dict[str, str] = {}

    def get_api_key_with_prefix(self, name: str, other: str) -> str | None:
        """The token under the first of two names."""
        return self.api_key.get(name) or self.api_key.get(other)


@pytest.mark.parametrize("given", ["Bearer of the plugin", ""])
def test_a_plugin_is_run_by_the_official_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    runs: list[tuple[str, str]] = []

    def load(path: str, context: str, *, client_configuration: Plugged, persist_config: bool) -> None:
        assert not persist_config
        runs.append((path, context))
        client_configuration.api_key = {"BearerToken": given}

    client, config = ModuleType("kubernetes.client"), ModuleType("kubernetes.config")
    vars(client)["Configuration"] = Plugged
    vars(config).update(load_kube_config=load, ConfigException=ValueError)
    for module in (ModuleType("kubernetes"), client, config):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    path = tmp_path / "config"
    path.write_text(KUBECONFIG.replace("token: secret", "exec: {}"))
    access = read_kubeconfig(path)
    assert runs == []
    if given:
        assert [access.headers()["Authorization"] for _ in range(2)] == ["Bearer of the plugin"] * 2
        assert runs == [(str(path), "c")]
    else:
        with pytest.raises(Unavailable) as caught:
            access.headers()
        assert str(caught.value) == f'E190 --kubeconfig "{path}": its "exec" gave no token'

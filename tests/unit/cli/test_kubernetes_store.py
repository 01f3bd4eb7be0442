"""The options of `--store kubernetes`: the exact words for what does not go together."""

from pathlib import Path

import pytest

from tests.worlds.command_line import said

BASE = ("controller", "--state", "none", "--listen", "127.0.0.1:1")
WRONG = [
    (("--manifests", "m", "--namespace", "ns"), "E125 --namespace needs --store kubernetes"),
    (
        ("--manifests", "m", "--store", "kubernetes", "--namespace", "A b"),
        'E125 --namespace "A b": must be the name of a namespace: a-z, 0-9 and -, at most 63',
    ),
    (
        ("--manifests", "m", "--store", "kubernetes", "--etcd-user", "x"),
        "E125 --etcd-... options need --store etcd",
    ),
]
HOME = [
    (("--manifests", "m", "--store", "kubernetes"), "E125 --store kubernetes needs --kubeconfig FILE or --in-cluster"),
    (
        ("--kubeconfig", "k", "--store", "kubernetes"),
        "E125 --store kubernetes with --kubeconfig needs --namespace NAME, where its Lease and Secrets are",
    ),
]


@pytest.mark.parametrize(("options", "text"), WRONG)
def test_options_that_do_not_go_together(options: tuple[str, ...], text: str) -> None:
    assert said(*BASE, *options) == (2, "", f"isthmus: {text}\n")


@pytest.mark.parametrize(("options", "text"), HOME)
def test_what_the_store_needs(tmp_path: Path, options: tuple[str, ...], text: str) -> None:
    state = str(tmp_path / "state")
    place = ("--domain", "acme.mesh", "--name", "us", "--region", "us", "--az", "a", "--reachable", "10.1.0.0/16")
    made = said("init", "--state", state, *place, "--clusterset", "10.101.0.0/16", "--sync", "127.0.0.1:1")
    assert made[0] == 0, made
    done = said("controller", "--state", state, "--listen", "127.0.0.1:1", *options)
    assert done == (2, "", f"isthmus: {text}\n")

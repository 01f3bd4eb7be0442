"""A gateway that is drained: what it answers, what status says, and when it is quiet."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec import structs

from federation.model.errors import IsthmusError
from gateways import folder
from gateways.draining import await_quiet, busy, drain, undrain
from gateways.evidence import Evidence
from gateways.gateway_cli import gateway
from gateways.intent import intend
from gateways.made import drained_problem
from gateways.render.nft import Chain
from gateways.render.tables import table_of
from tests.unit.gateways.test_intent import EU_PEER, GATEWAY, US
from tests.worlds.agent_folder import make_folder
from tests.worlds.two_members import keyed, real, site

INSIDE = structs.replace(GATEWAY, inside="10.1.0.1:51900")


def chains(drained: str) -> dict[str, Chain]:
    state = intend(INSIDE, keyed(site(US), EU_PEER), Evidence(drained=drained))
    return {chain.name: chain for chain in table_of(state).chains}


def test_only_echo_is_otherwise_while_it_is_drained() -> None:
    usual, drained = chains(""), chains("a new kernel")
    assert usual.keys() == drained.keys()
    for name in usual.keys() - {"from_peers", "from_nodes", "forward"}:
        assert usual[name] == drained[name]
    for name in ("from_peers", "from_nodes"):
        assert usual[name].rules[1:] == drained[name].rules[1:]
        assert usual[name].rules[0][-1] == {"accept": None} and drained[name].rules[0][-1] == {"drop": None}
    assert drained["forward"].rules[1:] == usual["forward"].rules
    assert drained["forward"].rules[0][-1] == {"drop": None}


def test_status_says_so_until_it_is_ended() -> None:
    state = intend(GATEWAY, keyed(site(US), EU_PEER), Evidence(drained="a new kernel"))
    assert drained_problem(state) == (
        "E127 this gateway is drained (a new kernel): end that with `isthmus gateway undrain`",
    )
    assert drained_problem(structs.replace(state, drained="")) == ()


def test_who_sends_more_than_probes_is_busy() -> None:
    before = {("d0", "eu gateway 1"): 1_000, ("d9", "us node n1"): 5_000, ("d9", "us node n2"): 0}
    now = {("d0", "eu gateway 1"): 4_000, ("d9", "us node n1"): 15_000, ("d9", "us node n3"): 90_000}
    assert busy(before, now, 1.0) == ["us node n1"]
    assert busy(before, now, 10.0) == []


def test_time_that_is_over_names_who_still_sends() -> None:
    count = iter(range(0, 1_000_000, 50_000))
    assert await_quiet(lambda: {("d0", "eu gateway 1"): next(count)}, 0.5) == ["eu gateway 1"]


def test_a_reason_is_kept_in_the_folder_and_ended(tmp_path: Path) -> None:
    us = real("us-east")
    other = structs.replace(site(us), rails={"us-east-gateway": 1, "g2": 2})
    state = make_folder(tmp_path / "g", us, "gateway", keyed(other), [])
    drain(state, "a new kernel", force=False)
    assert folder.why_drained(state) == "a new kernel"
    assert undrain(state) and not undrain(state) and folder.why_drained(state) == ""


@pytest.mark.parametrize(
    ("role", "text"),
    [
        ("node", "E122 {state}: is enrolled as node; give a gateway's folder"),
        (
            "gateway",
            "E127 gateway us-east-gateway: is the only one of this member, which nobody else would reach: "
            "see `isthmus drain`, or give --force",
        ),
    ],
)
def test_what_cannot_be_drained(tmp_path: Path, role: str, text: str) -> None:
    us = real("us-east")
    state = make_folder(tmp_path / "f", us, "node" if role == "node" else "gateway", keyed(site(us)), [])
    done = CliRunner().invoke(gateway, ("drain", "--state", str(state), "--wait", "0"))
    assert isinstance(done.exception, IsthmusError) and str(done.exception) == text.format(state=state)
    assert not folder.drained_file(state).exists()
    if role == "gateway":
        forced = CliRunner().invoke(gateway, ("drain", "--state", str(state), "--wait", "0", "--force"))
        assert forced.output == "drained\n" and folder.why_drained(state) == "by hand"

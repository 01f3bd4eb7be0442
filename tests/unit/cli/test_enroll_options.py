"""Options of the controller and of programs for enrolling, where they do not go together; what is kept of who enrolled."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from federation.adapters.memory import MemoryStore
from federation.cli.main import cli
from federation.cli.run import enrolment_desk
from federation.config import ENROLMENT, Enrolment, Enrolments, SelfEnrolled
from federation.files import write_private
from federation.model.errors import InputError


@pytest.mark.parametrize(
    ("listen", "accounts", "kubernetes", "said"),
    [
        (None, ("node=a/b",), True, "E125 --enroll-listen ADDRESS:PORT is missing: --enroll is for it"),
        (
            "127.0.0.1:7444",
            (),
            True,
            "E125 --enroll-listen needs --enroll ROLE=NAMESPACE/ACCOUNT: without it nobody may enrol",
        ),
        (
            "127.0.0.1:7444",
            ("node=a/b",),
            False,
            "E125 --enroll-listen needs a Kubernetes API, which reviews tokens: --kubeconfig or --in-cluster",
        ),
        (
            "here",
            ("node=a/b",),
            True,
            'E122 --enroll-listen "here": write it as ADDRESS:PORT or [IPV6]:PORT with a port of 1 to 65535',
        ),
    ],
)
def test_options_of_the_controller(listen: str | None, accounts: tuple[str, ...], kubernetes: bool, said: str) -> None:
    with pytest.raises(InputError) as caught:
        enrolment_desk(listen, accounts, kubernetes)
    assert str(caught.value) == said


def test_no_options_are_no_desk() -> None:
    assert enrolment_desk(None, (), True) is None


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--role", "node"), "E125 --role is for --enroll ADDRESS:PORT, which is not given"),
        (("--enroll", "127.0.0.1:1"), "E125 --enroll needs --controller as well"),
    ],
)
def test_options_of_an_agent(tmp_path: Path, more: tuple[str, ...], said: str) -> None:
    words = ["agent", "run", "--state", str(tmp_path), "--address", "127.0.0.1", *more]
    with pytest.raises(InputError) as caught:
        CliRunner().invoke(cli, words, catch_exceptions=False, standalone_mode=False)
    assert str(caught.value) == said


NODE, FILE = Enrolment(name="node-n1", role="node", kubernetes="n1", attests=True), Enrolment(name="gw", role="gateway")


def test_who_enrolled_is_known_beside_the_folder_and_after_a_restart(tmp_path: Path) -> None:
    store = MemoryStore()
    themselves = SelfEnrolled(store)
    both = Enrolments(tmp_path, themselves)
    themselves.put(NODE)
    assert set(both.names()) == {"node-n1"}
    before = both.known
    themselves.put(NODE)
    both.look()
    assert both.known is before
    again = SelfEnrolled(store)
    assert again.known == {"node-n1": NODE}
    again.drop("node-n1")
    assert SelfEnrolled(store).known == {}


def test_one_that_cannot_be_read_is_left_out_alone() -> None:
    store = MemoryStore()
    SelfEnrolled(store).put(NODE)
    store.put(f"{ENROLMENT}x", b"{")
    assert SelfEnrolled(store).known == {"node-n1": NODE}


def test_a_file_goes_before_a_program_that_enrolled_itself(tmp_path: Path) -> None:
    themselves = SelfEnrolled(MemoryStore())
    themselves.put(Enrolment(name="gw", role="node"))
    write_private(tmp_path / "gw.json", b'{"name":"gw","role":"gateway"}')
    both = Enrolments(tmp_path, themselves)
    both.look()
    assert both.known == {"gw": FILE}

"""Enrolling over the wire: both sides over loopback, and the words for what goes wrong."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from federation.link.enroll import (
    BODY_MAX,
    REQUEST_MAX,
    TOKEN_MAX,
    Answer,
    Enroller,
    EnrolServer,
    How,
    Question,
    parse_how,
    read_question,
)
from federation.link.enrolled import Enrolled, load_enrolled, save_enrolled
from federation.link.feed import Feed
from federation.link.leaf import load_leaf, save_leaf
from federation.model.errors import InputError, IsthmusError, Refused, Unavailable
from federation.model.handout import Role
from federation.model.spiffe import agent_id
from federation.trust.issue import requested_identity, sign_leaf
from tests.worlds.ports import free_port
from tests.worlds.two_members import MemberKeys, real

GIVEN = {
    "addresses": ("127.0.0.1:7444",),
    "controllers": ("127.0.0.1:7443",),
    "token": Path("token"),
    "anchor": Path("anchor"),
    "member": "us-east.acme.mesh",
    "role": "dns",
}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"addresses": ()}, "E125 --controller is for --enroll ADDRESS:PORT, which is not given"),
        ({"addresses": (), "controllers": ()}, "E125 --enroll-token is for --enroll ADDRESS:PORT, which is not given"),
        ({"controllers": ()}, "E125 --enroll needs --controller as well"),
        ({"token": None}, "E125 --enroll needs --enroll-token as well"),
        ({"anchor": None}, "E125 --enroll needs --enroll-anchor as well"),
        ({"member": None}, "E125 --enroll needs --member as well"),
        ({"role": None}, "E125 --enroll needs --role as well"),
        (
            {"addresses": ("nowhere",)},
            'E122 --enroll "nowhere": write it as ADDRESS:PORT or [IPV6]:PORT with a port of 1 to 65535',
        ),
        (
            {"controllers": ("a:0",)},
            'E122 --controller "a:0": write it as ADDRESS:PORT or [IPV6]:PORT with a port of 1 to 65535',
        ),
        ({"member": "us-east"}, 'E114 --member "us-east": write it as NAME.DOMAIN, such as us-east.acme.mesh'),
        (
            {"member": "us-east.mesh"},
            'E114 --member domain "mesh": must be a DNS name such as "acme.mesh", at most 200 characters',
        ),
    ],
)
def test_options_that_do_not_go_together(changed: dict[str, object], said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_how(**(GIVEN | changed))  # type: ignore[arg-type]
    assert str(caught.value) == said


def test_no_options_are_no_enrolling() -> None:
    assert parse_how((), (), None, None, None, "dns") is None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "E120 enrolment cannot be read: Input data was truncated"),
        (
            msgspec.msgpack.encode(Question("t" * (TOKEN_MAX + 1), "dns")),
            f"E117 enrolment: token of {TOKEN_MAX + 1} bytes > {TOKEN_MAX}",
        ),
        (
            msgspec.msgpack.encode(Question("t", "dns", b"r" * (REQUEST_MAX + 1))),
            f"E117 enrolment: signing request of {REQUEST_MAX + 1} bytes > {REQUEST_MAX}",
        ),
    ],
)
def test_questions_that_are_not_read(data: bytes, said: str) -> None:
    with pytest.raises(Refused) as caught:
        read_question(data)
    assert str(caught.value) == said


class Desk:
    """A controller that enrols everybody as dns-p, unless told otherwise."""

    def __init__(self, own: MemberKeys, shows: MemberKeys) -> None:
        self.own, self.shows = own, shows
        self.asked: list[Question] = []
        self.fails: list[IsthmusError] = []
        self.address = f"127.0.0.1:{free_port()}"

    async def answer(self, question: Question, source: str) -> Answer:
        self.asked.append(question)
        if self.fails:
            raise self.fails.pop(0)
        if not question.request:
            return Answer("dns-p")
        identity, _ = requested_identity(question.request)
        assert identity == agent_id(self.own.domain, "dns-p")
        chain = sign_leaf(self.own.anchor_key, self.own.anchor, question.request, self.own.domain, datetime.now(UTC))
        return Answer("dns-p", chain, self.own.anchor, True)

    async def around(self, work: Callable[[], Awaitable[None]]) -> None:
        server = EnrolServer(lambda: self.shows.leaf(self.shows.identity("isthmus", "controller")), self.answer)
        await server.start(self.address)
        try:
            await work()
        finally:
            await server.stop()


@pytest.fixture
def own() -> MemberKeys:
    return real("us-east")


def how(tmp_path: Path, desk: Desk, role: Role = "dns") -> How:
    (tmp_path / "token").write_text("secret\n")
    (tmp_path / "anchor").write_text(desk.own.anchor)
    return How(
        addresses=(desk.address,),
        controllers=("192.0.2.1:7443",),
        token=tmp_path / "token",
        anchor=tmp_path / "anchor",
        member=desk.own.domain,
        role=role,
    )


def test_a_program_gets_its_folder_whole(tmp_path: Path, own: MemberKeys) -> None:
    desk, state = Desk(own, own), tmp_path / "state"
    state.mkdir()
    enroller = Enroller(state, how(tmp_path, desk))
    desk.fails.append(Unavailable("not now"))
    asyncio.run(desk.around(enroller.run))
    assert enroller.done
    assert [(one.token, one.role, bool(one.request)) for one in desk.asked] == [
        ("secret", "dns", False),
        ("secret", "dns", False),
        ("secret", "dns", True),
    ]
    found = load_enrolled(state)
    assert (found.node, found.role, found.member, found.domain) == ("dns-p", "dns", "us-east", "acme.mesh")
    assert (found.controllers, found.anchor, found.attests) == (("192.0.2.1:7443",), own.anchor, True)
    assert Feed.open(state).enrolled == found
    assert Enroller(state, how(tmp_path, desk)).done


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Refused("is bound to no pod", "E105"), "E105 is bound to no pod"),
        (Unavailable("ask later"), "E190 ask later"),
    ],
)
def test_the_controllers_words_reach_the_program(
    tmp_path: Path, own: MemberKeys, error: IsthmusError, said: str
) -> None:
    desk = Desk(own, own)
    desk.fails.append(error)
    with pytest.raises(type(error)) as caught:
        asyncio.run(desk.around(Enroller(tmp_path, how(tmp_path, desk)).once))
    assert str(caught.value) == said


def test_another_members_controller_never_sees_the_token(tmp_path: Path, own: MemberKeys) -> None:
    desk = Desk(own, real("eu-central"))
    with pytest.raises(Refused) as caught:
        asyncio.run(desk.around(Enroller(tmp_path, how(tmp_path, desk)).once))
    assert str(caught.value).startswith(f"E105 {desk.address} is not the controller: ")
    assert not desk.asked


def test_another_program_of_the_member_never_sees_the_token(tmp_path: Path, own: MemberKeys) -> None:
    class Posing(Desk):
        async def around(self, work: Callable[[], Awaitable[None]]) -> None:
            server = EnrolServer(lambda: own.leaf(agent_id(own.domain, "node-n1")), self.answer)
            await server.start(self.address)
            try:
                await work()
            finally:
                await server.stop()

    desk = Posing(own, own)
    with pytest.raises(Refused) as caught:
        asyncio.run(desk.around(Enroller(tmp_path, how(tmp_path, desk)).once))
    assert str(caught.value) == (
        "E105 peer presented spiffe://us-east.acme.mesh/ns/isthmus/sa/agent-node-n1, "
        "expected spiffe://us-east.acme.mesh/ns/isthmus/sa/controller; connection closed"
    )
    assert not desk.asked


def test_files_that_are_not_there_yet_are_waited_for(tmp_path: Path, own: MemberKeys) -> None:
    desk = Desk(own, own)
    wanted = how(tmp_path, desk)
    for name, said in (
        ("token", f"E190 --enroll-token {tmp_path}/token: No such file or directory"),
        ("anchor", f"E190 --enroll-anchor {tmp_path}/anchor: No such file or directory"),
    ):
        (tmp_path / name).unlink()
        with pytest.raises(Unavailable) as caught:
            asyncio.run(Enroller(tmp_path, wanted).once())
        assert str(caught.value) == said
        how(tmp_path, desk)
    (tmp_path / "anchor").write_text("none")
    with pytest.raises(Unavailable) as caught:
        asyncio.run(Enroller(tmp_path, wanted).once())
    assert str(caught.value) == "E190 --enroll-anchor holds no certificate (PEM)"


def enrolled(own: MemberKeys, role: Role = "dns") -> Enrolled:
    return Enrolled(
        node="dns-p", role=role, member="us-east", domain="acme.mesh", controllers=("old:1",), anchor=own.anchor
    )


def test_a_folder_of_another_program_is_refused(tmp_path: Path, own: MemberKeys) -> None:
    save_enrolled(tmp_path, enrolled(own, "node"))
    with pytest.raises(InputError) as caught:
        Enroller(tmp_path, how(tmp_path, Desk(own, own)))
    said = f'E102 --state "{tmp_path}": is enrolled as node of us-east.acme.mesh; name another folder'
    assert str(caught.value) == said


def test_a_folder_is_used_while_its_certificate_lasts_with_the_controllers_of_now(
    tmp_path: Path, own: MemberKeys
) -> None:
    save_enrolled(tmp_path, enrolled(own))
    leaf = own.leaf(agent_id(own.domain, "dns-p"))
    save_leaf(tmp_path / "leaf.json", leaf)
    wanted = how(tmp_path, Desk(own, own))
    assert Enroller(tmp_path, wanted).done
    assert load_enrolled(tmp_path).controllers == wanted.controllers
    save_leaf(tmp_path / "leaf.json", structs.replace(leaf, not_after=1))
    assert not Enroller(tmp_path, wanted).done
    assert load_leaf(tmp_path / "leaf.json")


def test_more_than_any_honest_question_is_not_read_to_its_end(tmp_path: Path, own: MemberKeys) -> None:
    from federation.link.join import anchored, call
    from federation.model.spiffe import controller_id

    desk = Desk(own, own)

    async def flood() -> None:
        request = ("POST", "/v1/enroll", b"x" * (BODY_MAX + 1))
        await asyncio.to_thread(
            call, desk.address, anchored(own.anchor), request, controller_id(own.domain), "controller"
        )

    with pytest.raises(Refused) as caught:
        asyncio.run(desk.around(flood))
    assert str(caught.value) == f"E117 enrolment: more than {BODY_MAX} bytes"
    assert not desk.asked


def test_a_running_program_whose_certificate_ran_out_enrols_again(tmp_path: Path, own: MemberKeys) -> None:
    save_enrolled(tmp_path, enrolled(own))
    leaf = own.leaf(agent_id(own.domain, "dns-p"))
    save_leaf(tmp_path / "leaf.json", structs.replace(leaf, not_after=1))
    feed = Feed.open(tmp_path)
    asked: list[int] = []

    async def again() -> None:
        asked.append(1)
        save_leaf(tmp_path / "leaf.json", leaf)

    feed.again = again
    with pytest.raises(OSError):
        asyncio.run(feed._session(f"127.0.0.1:{free_port()}"))
    assert asked and feed._own == leaf

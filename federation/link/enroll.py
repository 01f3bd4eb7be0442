"""Enrolling over the wire: a program in a cluster gets its first certificate by its service account token.

The listener asks for no client certificate: who enrols has none. The program trusts the member's anchor alone, pins its
controller's identity, and only then shows the token. It asks twice: first how it is called, then with a signing request
in that name.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
from aiohttp import web
from msgspec import Struct, structs
from prometheus_client import Counter

from federation.link.enrolled import Enrolled, load_enrolled, save_enrolled
from federation.link.join import anchored, call, refusal
from federation.link.leaf import Leaf, leaf_of, load_leaf, new_key, save_leaf, signing_request
from federation.link.site import TlsSite, shown_leaf
from federation.model.errors import InputError, IsthmusError, Refused, Unavailable
from federation.model.handout import Role
from federation.model.names import parse_domain, parse_member
from federation.model.spiffe import agent_id, controller_id
from federation.telemetry import split_address

log = logging.getLogger("enroll")
refusals = Counter("isthmus_enrolment_refusals_total", "Questions of programs that enrol themselves, refused", ["code"])
PATH = "/v1/enroll"
TOKEN_MAX, REQUEST_MAX = 16 * 1024, 4 * 1024
BODY_MAX = TOKEN_MAX + REQUEST_MAX + 1024
BACKOFF_FIRST, BACKOFF_MAX = 0.5, 30.0


class Question(Struct, frozen=True):
    """What a program sends: its service account token, its role, and a PKCS #10 request; without that it is only told
    its name.
    """

    token: str
    role: str
    request: bytes = b""


class Answer(Struct, frozen=True):
    """Who the program is; where it asked for one its certificate chain (PEM), and the anchors (PEM) to trust from now
    on. `attests`: see `Enrolled`.
    """

    node: str
    chain: str = ""
    anchor: str = ""
    attests: bool = False


class EnrolServer(TlsSite):
    """Serves enrolment over TLS."""

    def __init__(self, leaf: Callable[[], Leaf], answer: Callable[[Question, str], Awaitable[Answer]]) -> None:
        """`answer` gets the question and where it comes from; it raises Refused or Unavailable."""
        app = web.Application(client_max_size=BODY_MAX)
        app.router.add_post(PATH, self._post)
        super().__init__("--enroll-listen", app, shown_leaf(leaf))
        self._answer = answer

    async def _post(self, request: web.Request) -> web.Response:
        source = request.remote or "?"
        try:
            answer = await self._answer(read_question(await _body(request)), source)
        except IsthmusError as error:
            refusals.labels(error.code).inc()
            log.warning("enrolment refused", extra={"source": source, "code": error.code, "reason": error.text})
            return refusal(error, 503 if isinstance(error, Unavailable) else 403)
        return web.Response(body=msgspec.msgpack.encode(answer))


async def _body(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise Refused(f"enrolment: more than {BODY_MAX} bytes", "E117") from None


def read_question(data: bytes) -> Question:
    """What was asked. Refused: E120 when it cannot be read, E117 when a part is larger than any honest one."""
    try:
        found = msgspec.msgpack.decode(data, type=Question)
    except msgspec.MsgspecError as error:
        raise Refused(f"enrolment cannot be read: {error}", "E120") from None
    for what, size, limit in (
        ("token", len(found.token), TOKEN_MAX),
        ("signing request", len(found.request), REQUEST_MAX),
    ):
        if size > limit:
            raise Refused(f"enrolment: {what} of {size} bytes > {limit}", "E117")
    return found


class How(Struct, frozen=True, kw_only=True):
    """How a program enrols itself: `addresses` are where controllers let programs enrol, `controllers` where they serve
    those that have.
    """

    addresses: tuple[str, ...]
    controllers: tuple[str, ...]
    token: Path
    anchor: Path
    member: str
    role: Role


def parse_how(
    addresses: tuple[str, ...],
    controllers: tuple[str, ...],
    token: Path | None,
    anchor: Path | None,
    member: str | None,
    role: Role | None,
) -> How | None:
    """What the options say together; None where nothing is said of enrolling. InputError for what is missing."""
    others = {"--controller": controllers, "--enroll-token": token, "--enroll-anchor": anchor, "--member": member}
    if not addresses:
        given = next((name for name, value in others.items() if value), None)
        if given is not None:
            raise InputError(f"{given} is for --enroll ADDRESS:PORT, which is not given")
        return None
    missing = next((name for name, value in others.items() if not value), None)
    if missing is not None:
        raise InputError(f"--enroll needs {missing} as well")
    if role is None:
        raise InputError("--enroll needs --role as well")
    assert token is not None and anchor is not None and member is not None
    for flag, values in (("--enroll", addresses), ("--controller", controllers)):
        for address in values:
            split_address(address, flag)
    name, _, domain = member.partition(".")
    if not domain:
        raise InputError(f'--member "{member}": write it as NAME.DOMAIN, such as us-east.acme.mesh', "E114")
    parse_member(name)
    parse_domain(domain, "--member domain")
    return How(addresses=addresses, controllers=controllers, token=token, anchor=anchor, member=member, role=role)


class Enroller:
    """Enrols one program into its folder, as often as that is needed."""

    def __init__(self, directory: Path, how: How) -> None:
        """InputError when the folder is another program's."""
        self._directory, self._how = directory, how
        self.done = self._take_folder()

    def _take_folder(self) -> bool:
        """Whether the folder has an identity that counts; the controllers in it are from then on the given ones."""
        if not (self._directory / "enrolled.json").exists():
            return False
        held, how = load_enrolled(self._directory), self._how
        if (held.role, f"{held.member}.{held.domain}") != (how.role, how.member):
            said = f"{held.role} of {held.member}.{held.domain}"
            raise InputError(f'--state "{self._directory}": is enrolled as {said}; name another folder', "E102")
        if held.controllers != how.controllers:
            save_enrolled(self._directory, structs.replace(held, controllers=how.controllers))
        leaf = load_leaf(self._directory / "leaf.json")
        return leaf is not None and leaf.not_after > time.time()

    async def run(self) -> None:
        """Enrol, unless that was done; with endless back-off."""
        pause = BACKOFF_FIRST
        while not self.done:
            try:
                await self.once()
            except (IsthmusError, OSError) as error:
                log.warning("not enrolled yet", extra={"reason": str(error)})
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
                pause = min(2 * pause, BACKOFF_MAX)

    async def once(self) -> None:
        """Enrol at the first controller that answers. Refused, Unavailable, OSError when the disk does not take it."""
        last: IsthmusError = Unavailable("no address to enrol at")
        for address in self._how.addresses:
            try:
                enrolled, leaf = await asyncio.to_thread(self._ask, address)
                break
            except IsthmusError as error:
                last = error
        else:
            raise last
        save_leaf(self._directory / "leaf.json", leaf)
        save_enrolled(self._directory, enrolled)
        self.done = True
        log.info("enrolled", extra={"node": enrolled.node, "address": address})

    def _ask(self, address: str) -> tuple[Enrolled, Leaf]:
        how = self._how
        name, _, domain = how.member.partition(".")
        anchors, token = self._anchors(), self._token()
        first = _answer(address, anchors, how.member, Question(token, how.role))
        identity, key = agent_id(how.member, first.node), new_key()
        question = Question(token, how.role, signing_request(key, identity))
        given = _answer(address, anchors, how.member, question)
        leaf = _checked(leaf_of(identity, key, given.chain), address)
        return Enrolled(
            node=first.node,
            role=how.role,
            member=name,
            domain=domain,
            controllers=how.controllers,
            anchor=given.anchor,
            attests=given.attests,
        ), leaf

    def _token(self) -> str:
        """Read anew each time: the kubelet rotates it."""
        try:
            return self._how.token.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Unavailable(f"--enroll-token {self._how.token}: {_why(error)}") from None

    def _anchors(self) -> str:
        """Those of the file, and those that an earlier enrolment left: an anchor may have been rotated since."""
        path = self._directory / "enrolled.json"
        try:
            known = load_enrolled(self._directory).anchor if path.exists() else ""
            return self._how.anchor.read_text() + known
        except (OSError, UnicodeDecodeError) as error:
            raise Unavailable(f"--enroll-anchor {self._how.anchor}: {_why(error)}") from None


def _why(error: OSError | UnicodeDecodeError) -> str:
    return (isinstance(error, OSError) and error.strerror) or "is no text"


def _answer(address: str, anchors: str, member: str, question: Question) -> Answer:
    try:
        context = anchored(anchors)
    except (ssl.SSLError, ValueError):
        raise Unavailable("--enroll-anchor holds no certificate (PEM)") from None
    body = msgspec.msgpack.encode(question)
    data = call(address, context, ("POST", PATH, body), controller_id(member), "controller")
    try:
        return msgspec.msgpack.decode(data, type=Answer)
    except msgspec.MsgspecError as error:
        raise Refused(f"controller {address}: its answer cannot be read: {error}", "E120") from None


def _checked(leaf: Leaf, address: str) -> Leaf:
    if leaf.not_after <= time.time():
        raise Refused(f"controller {address} gave a certificate that is over: clock skew suspected", "E108")
    return leaf

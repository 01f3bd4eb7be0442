"""The state folder of a member's controller, and what it says of the member; parsed once."""

import time
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from federation.files import check_private, write_private
from federation.model.cidr import parse_cidr
from federation.model.errors import InputError, Unavailable
from federation.model.handout import Role, Workload
from federation.model.names import MemberName, is_label
from federation.model.spiffe import trust_domain
from federation.ports import Store


class Own(Struct, frozen=True, kw_only=True):
    """The member that this folder belongs to.

    `federation` is the fingerprint of the key that signs the ledger; `clusterset` the range of its clusterset IPs;
    `listeners` the first and last port that node Envoys use for captured connections.
    """

    name: MemberName
    domain: str
    federation: str
    region: str
    az: str
    clusterset: str
    listeners: tuple[int, int] = (10_000, 29_999)

    @property
    def trust_domain(self) -> str:
        """The SPIFFE trust domain of this member."""
        return trust_domain(self.name, self.domain)


class Enrolment(Struct, frozen=True, kw_only=True):
    """One enrolled program and the workloads that run on its node (kept in `agents/<name>.json`, or in the store where
    it enrolled itself). `kubernetes` is what Kubernetes calls the node, where that is another name, `az` the
    node's availability zone, "" where nobody says. One that `attests`
    may have the identity of any service account whose token it was shown on its node, while that token counts. `pods`
    are the ranges of the node's pods, where its agent says none.
    """

    name: str
    role: Role
    workloads: tuple[Workload, ...] = ()
    kubernetes: str = ""
    az: str = ""
    attests: bool = False
    pods: tuple[str, ...] = ()


class Folder:
    """Paths and small files of one state folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.member = path / "member.json"
        self.ledger = path / "ledger"
        self.rotations = path / "rotations.json"
        self.federation_key = path / "federation.key"
        self.record_key = path / "record.key"
        self.anchor = path / "anchor.pem"
        self.anchor_key = path / "ca" / "anchor.key"
        self.jwt_keys = path / "ca" / "jwt.json"
        self.next_anchor = path / "ca" / "next.json"
        self.agents = path / "agents"
        self.foreign = path / "foreign"
        self.store = path / "store.sqlite"
        self.etcd_mirror = path / "etcd-mirror.sqlite"
        self.kube_mirror = path / "kube-mirror.sqlite"
        self.lkg = path / "lkg"
        self.api = path / "api.sock"
        self.signer = path / "signer.sock"
        self.tokens = path / "tokens"

    def create(self, own: Own) -> None:
        """Make the folder (0700) for this member. InputError when it already holds one."""
        if self.member.exists():
            raise InputError(f"{self.member} exists: this folder already belongs to a member")
        parse_cidr(own.clusterset, "--clusterset")
        (self.path / "ca").mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
        self.agents.mkdir(mode=0o700, exist_ok=True)
        write_private(self.member, msgspec.json.format(msgspec.json.encode(own)))

    def own(self) -> Own:
        """The member of this folder. InputError when there is none."""
        try:
            return msgspec.json.decode(self.member.read_bytes(), type=Own)
        except FileNotFoundError:
            raise InputError(
                f"{self.member} does not exist: make it with `isthmus init` or `isthmus member request`"
            ) from None
        except (OSError, msgspec.MsgspecError) as error:
            raise InputError(f"{self.member}: {error}") from None

    def private_text(self, path: Path) -> str:
        """A secret file's text. InputError when it is missing or others may read it."""
        return private_text(path)

    def registrar_key(self) -> str:
        """The key that signs the ledger. InputError when this member is not the registrar."""
        if not self.federation_key.exists():
            raise InputError(f"{self.federation_key} does not exist: only the registrar has it and may admit")
        return self.private_text(self.federation_key)

    def ledger_bytes(self) -> bytes:
        """The ledger file. InputError when there is none yet."""
        try:
            return self.ledger.read_bytes()
        except FileNotFoundError:
            raise InputError(f"{self.ledger} does not exist: take it over with `isthmus member accept`") from None
        except OSError as error:
            raise InputError(f"{self.ledger}: {error.strerror}") from None

    def enrolments(self) -> "Enrolments":
        """Who is enrolled now. Unavailable."""
        found = Enrolments(self.agents)
        found.look()
        return found

    def check_free(self, name: str) -> None:
        """InputError when a program of this name is enrolled."""
        path = self.agents / f"{name}.json"
        if path.exists():
            raise InputError(f'agent "{name}" is already enrolled; remove {path} first to replace it', "E102")

    def enrol(self, enrolment: Enrolment) -> None:
        """Remember this program. InputError when the name is taken."""
        self.check_free(enrolment.name)
        write_private(self.agents / f"{enrolment.name}.json", msgspec.json.encode(enrolment))


ENROLMENT = "enrolment/"


class SelfEnrolled:
    """The programs that enrolled themselves, by name, kept in the store. `known` is another dict after each change.

    One that cannot be read is left out: it enrols again.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.known: dict[str, Enrolment] = {}
        for data in store.items(ENROLMENT).values():
            with suppress(msgspec.MsgspecError):
                one = msgspec.json.decode(data, type=Enrolment)
                self.known[one.name] = one

    def put(self, enrolment: Enrolment) -> None:
        """Remember this program; durable after the store's `flush`. Unavailable."""
        if self.known.get(enrolment.name) != enrolment:
            self._store.put(ENROLMENT + enrolment.name, msgspec.json.encode(enrolment))
            self.known = self.known | {enrolment.name: enrolment}

    def drop(self, name: str) -> None:
        """Forget this program. Unavailable."""
        self._store.drop(ENROLMENT + name)
        self.known = {other: one for other, one in self.known.items() if other != name}


STAMP_NS = 50_000_000
"""A folder that changed less than this long ago may change again under the same time stamp: kernels count in ticks."""


class Enrolments:
    """The enrolled programs: those of a folder, read again when it changed, and those that enrolled themselves.

    A file that cannot be read is that of a program which is enrolled: it stands in `known` as last read, and in
    `unread` by its name with the reason. A file goes before a self-enrolled program of the same name.
    """

    def __init__(self, folder: Path, themselves: SelfEnrolled | None = None) -> None:
        self._folder = folder
        self._themselves = themselves
        self._stamp = 0
        self._files: dict[str, Enrolment] = {}
        self._none: dict[str, Enrolment] = {}
        self._of = (self._files, self._none)
        self.known: dict[str, Enrolment] = {}
        self.unread: dict[str, str] = {}

    def look(self) -> None:
        """Take up what changed. Unavailable when the folder cannot be listed: then nothing of it does."""
        try:
            self._look()
        finally:
            themselves = self._none if self._themselves is None else self._themselves.known
            if self._of[0] is not self._files or self._of[1] is not themselves:
                self._of = (self._files, themselves)
                known = themselves | self._files
                self.known = self.known if known == self.known else known

    def _look(self) -> None:
        try:
            stamp = self._folder.stat().st_mtime_ns
            if stamp == self._stamp and not self.unread:
                return
            names = sorted(path.stem for path in self._folder.iterdir() if path.suffix == ".json")
        except OSError as error:
            raise Unavailable(f"{self._folder}: {error.strerror}: who is enrolled is not known") from None
        self._files, self.unread = self._read(names)
        self._stamp = stamp if time.time_ns() - stamp > STAMP_NS else 0

    def names(self) -> tuple[str, ...]:
        """Every enrolled program as of now, whether its file can be read or not. Unavailable."""
        self.look()
        return (*self.known, *(name for name in self.unread if name not in self.known))

    def _read(self, names: list[str]) -> tuple[dict[str, Enrolment], dict[str, str]]:
        known: dict[str, Enrolment] = {}
        unread: dict[str, str] = {}
        for name in filter(is_label, names):
            try:
                enrolment = msgspec.json.decode((self._folder / f"{name}.json").read_bytes(), type=Enrolment)
            except FileNotFoundError:
                continue
            except (OSError, msgspec.MsgspecError) as error:
                unread[name] = getattr(error, "strerror", None) or str(error)
                if name in self._files:
                    known[name] = self._files[name]
                continue
            if is_label(enrolment.name):
                known[enrolment.name] = enrolment
        return known, unread


def private_text(path: Path) -> str:
    """A secret file's text. InputError when it is missing or others may read it (threat model C22)."""
    try:
        mode, text = path.stat().st_mode, path.read_text()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    check_private(mode, path)
    return text

"""`isthmus enroll`: a folder with which a node agent, DNS server or central xDS port can start anywhere."""

import asyncio
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from federation.model.errors import InputError
from federation.model.handout import Role, UnixUser, Workload
from federation.model.names import parse_domain, parse_label
from federation.model.spiffe import SYSTEM

if TYPE_CHECKING:
    from federation.config import Folder

Account = tuple[str, str]

ID_MAX = 2**32 - 2
"""The greatest user or group id: the one above it means "no change" to the kernel (setuid(2))."""

NOBODY = 65_534
"""What the kernel shows for a user without a number in our user namespace (user_namespaces(7))."""


@click.command()
@click.option("--state", required=True, type=click.Path(path_type=Path), help="State folder of the controller.")
@click.option("--name", required=True, help="Node name: a DNS label, unique in the member.")
@click.option("--role", required=True, type=click.Choice(["gateway", "node", "dns", "xds"]))
@click.option("--controller", "controllers", multiple=True, required=True, help="ADDRESS:PORT of a controller.")
@click.option("--workload", "workloads", multiple=True, help="NAMESPACE/ACCOUNT=IP[,IP]: who runs on the node.")
@click.option("--workload-uid", "users", multiple=True, help="NAMESPACE/ACCOUNT=UID[:GID]: a process on the node.")
@click.option(
    "--workload-kubernetes", "accounts", multiple=True, help="NAMESPACE/ACCOUNT: pods of this service account."
)
@click.option("--kubernetes-node", default="", help="What Kubernetes calls the node, where it is not --name.")
@click.option("--az", default="", help="Availability zone of the node; none: its Kubernetes node's, or the member's.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to make for the program.")
def enroll(
    state: Path,
    name: str,
    role: str,
    controllers: tuple[str, ...],
    workloads: tuple[str, ...],
    users: tuple[str, ...],
    accounts: tuple[str, ...],
    kubernetes_node: str,
    az: str,
    out: Path,
) -> None:
    """Give a program of this member its identity and first certificate (24 h; it renews by itself)."""
    from federation.cli.places import check_folder
    from federation.config import Enrolment, Folder
    from federation.link.enrolled import Enrolled, save_enrolled
    from federation.link.leaf import leaf_of, new_key, save_leaf, signing_request
    from federation.model.spiffe import agent_id
    from federation.telemetry import split_address
    from federation.trust.signer import ask_signer

    folder = Folder(state)
    own = folder.own()
    for address in controllers:
        split_address(address, "--controller")
    for flag, given in (("--workload-uid", users), ("--workload-kubernetes", accounts)):
        if given and role != "node":
            raise InputError(f"{flag} is for the role node; {name} is to be a {role}")
    if kubernetes_node and not accounts:
        raise InputError("--kubernetes-node is for --workload-kubernetes, which is not given")
    enrolment = Enrolment(
        name=parse_label(name, "--name"),
        role=cast(Role, role),
        workloads=parse_workloads(workloads, users, accounts),
        kubernetes=parse_domain(kubernetes_node, "--kubernetes-node") if kubernetes_node else "",
        az=parse_label(az, "--az") if az else "",
    )
    identity, key = agent_id(own.trust_domain, name), new_key()
    check_folder(out, "--out")
    if (out / "enrolled.json").exists():
        raise InputError(f'--out "{out}": another program is enrolled there; name another folder', "E102")
    folder.check_free(name)
    chain = asyncio.run(ask_signer(folder.signer, signing_request(key, identity)))
    anchor = _trusted(folder)
    save_enrolled(
        out,
        Enrolled(
            node=name,
            role=enrolment.role,
            member=own.name,
            domain=own.domain,
            controllers=controllers,
            anchor=anchor,
        ),
    )
    save_leaf(out / "leaf.json", leaf_of(identity, key, chain))
    folder.enrol(enrolment)


@click.command()
@click.option("--state", required=True, type=click.Path(path_type=Path), help="State folder of the controller.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The program's folder.")
def renew(state: Path, out: Path) -> None:
    """Give an enrolled program a new certificate, when it was away for so long that its own ran out."""
    from msgspec import structs

    from federation.config import Folder
    from federation.link.enrolled import load_enrolled, save_enrolled
    from federation.link.leaf import leaf_of, new_key, save_leaf, signing_request
    from federation.model.spiffe import agent_id
    from federation.trust.signer import ask_signer

    folder = Folder(state)
    own, enrolled = folder.own(), load_enrolled(out)
    if enrolled.node not in folder.enrolments().known or enrolled.member != own.name:
        raise InputError(f'--out "{out}": agent "{enrolled.node}" is not enrolled in {state}', "E102")
    identity, key = agent_id(own.trust_domain, enrolled.node), new_key()
    chain = asyncio.run(ask_signer(folder.signer, signing_request(key, identity)))
    save_enrolled(out, structs.replace(enrolled, anchor=_trusted(folder)))
    save_leaf(out / "leaf.json", leaf_of(identity, key, chain))


def _trusted(folder: "Folder") -> str:
    """Every anchor of our member that the ledger has now."""
    from federation.registrar.ledger import ledger_in

    own = folder.own()
    return ledger_in(folder.ledger_bytes(), own.federation).members[own.name].trusted


def parse_workloads(
    by_address: tuple[str, ...], by_user: tuple[str, ...], by_token: tuple[str, ...] = ()
) -> tuple[Workload, ...]:
    """`NAMESPACE/ACCOUNT=IP[,IP]`, `NAMESPACE/ACCOUNT=UID[:GID]` and `NAMESPACE/ACCOUNT`, one workload an account.

    InputError for another form, and for an address or user that stands twice.
    """
    addresses: dict[str, Account] = {}
    for text in by_address:
        who, given = _account_with("--workload", text, "IP[,IP]")
        for address in given.split(","):
            _add_address(text, who, address, addresses)
    users: dict[UnixUser, Account] = {}
    for text in by_user:
        who, given = _account_with("--workload-uid", text, "UID[:GID]")
        _add_user(text, who, given, users)
    tokens = [_account_alone(text) for text in by_token]
    return tuple(
        Workload(
            *who,
            tuple(a for a, of in addresses.items() if of == who),
            tuple(u for u, of in users.items() if of == who),
            who in tokens,
        )
        for who in dict.fromkeys((*addresses.values(), *users.values(), *tokens))
    )


def _account_alone(text: str) -> Account:
    if "=" in text or "/" not in text:
        raise InputError(f'--workload-kubernetes "{text}": write it as NAMESPACE/ACCOUNT')
    return _account("--workload-kubernetes", text, text)


def _account_with(flag: str, text: str, form: str) -> tuple[Account, str]:
    who, equals, given = text.partition("=")
    if not (equals and "/" in who):
        raise InputError(f'{flag} "{text}": write it as NAMESPACE/ACCOUNT={form}')
    return _account(flag, text, who), given


def _account(flag: str, text: str, who: str) -> Account:
    namespace, _, account = who.partition("/")
    if namespace == SYSTEM:
        raise InputError(f'{flag} "{text}": the namespace "{SYSTEM}" is ours; no workload acts in it', "E105")
    return (parse_label(namespace, f"{flag} namespace"), parse_label(account, f"{flag} account"))


def _add_address(text: str, who: Account, address: str, addresses: dict[str, Account]) -> None:
    try:
        ip_address(address)
    except ValueError:
        raise InputError(f'--workload "{text}": "{address}" is not an IP address') from None
    if address in addresses:
        raise InputError(f'--workload "{text}": {address} already belongs to {"/".join(addresses[address])}')
    addresses[address] = who


def _add_user(text: str, who: Account, given: str, users: dict[UnixUser, Account]) -> None:
    numbers = given.split(":")
    if len(numbers) > 2 or not all(_is_id(n) for n in numbers):
        raise InputError(f'--workload-uid "{text}": write it as NAMESPACE/ACCOUNT=UID[:GID], numbers of 0 to {ID_MAX}')
    user = UnixUser(*map(int, numbers))
    if user.uid == NOBODY:
        raise InputError(
            f'--workload-uid "{text}": {NOBODY} stands for every user that the kernel cannot name here; '
            "give the workload a user of its own",
            "E105",
        )
    for other, owner in users.items():
        if other.covers(user) or user.covers(other):
            raise InputError(f'--workload-uid "{text}": uid {user.uid} already belongs to {"/".join(owner)}')
    users[user] = who


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= ID_MAX

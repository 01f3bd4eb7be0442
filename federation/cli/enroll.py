"""`isthmus enroll`: a folder with which a node agent or DNS server can start anywhere."""

import asyncio
from ipaddress import ip_address
from pathlib import Path
from typing import cast

import click

from federation.model.errors import InputError
from federation.model.handout import Role, Workload
from federation.model.names import parse_label
from federation.model.spiffe import SYSTEM


@click.command()
@click.option("--state", required=True, type=click.Path(path_type=Path), help="State folder of the controller.")
@click.option("--name", required=True, help="Node name: a DNS label, unique in the member.")
@click.option("--role", required=True, type=click.Choice(["gateway", "node", "dns"]))
@click.option("--controller", "controllers", multiple=True, required=True, help="ADDRESS:PORT of a controller.")
@click.option("--workload", "workloads", multiple=True, help="NAMESPACE/ACCOUNT=IP[,IP]: who runs on the node.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to make for the program.")
def enroll(
    state: Path, name: str, role: str, controllers: tuple[str, ...], workloads: tuple[str, ...], out: Path
) -> None:
    """Give a node agent or DNS server its identity and first certificate (24 h; it renews by itself)."""
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
    enrolment = Enrolment(name=parse_label(name, "--name"), role=cast(Role, role), workloads=parse_workloads(workloads))
    identity, key = agent_id(own.trust_domain, name), new_key()
    check_folder(out, "--out")
    if (out / "enrolled.json").exists():
        raise InputError(f'--out "{out}": another program is enrolled there; name another folder', "E102")
    folder.check_free(name)
    chain = asyncio.run(ask_signer(folder.signer, signing_request(key, identity)))
    anchor = folder.anchor.read_text()
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
    from federation.config import Folder
    from federation.link.enrolled import load_enrolled
    from federation.link.leaf import leaf_of, new_key, save_leaf, signing_request
    from federation.model.spiffe import agent_id
    from federation.trust.signer import ask_signer

    folder = Folder(state)
    own, enrolled = folder.own(), load_enrolled(out)
    if enrolled.node not in folder.enrolments() or enrolled.member != own.name:
        raise InputError(f'--out "{out}": agent "{enrolled.node}" is not enrolled in {state}', "E102")
    identity, key = agent_id(own.trust_domain, enrolled.node), new_key()
    chain = asyncio.run(ask_signer(folder.signer, signing_request(key, identity)))
    save_leaf(out / "leaf.json", leaf_of(identity, key, chain))


def parse_workloads(texts: tuple[str, ...]) -> tuple[Workload, ...]:
    """`NAMESPACE/ACCOUNT=IP[,IP]` each. InputError for another form, a bad address, or one that stands twice."""
    seen: dict[str, str] = {}
    found = []
    for text in texts:
        who, equals, addresses = text.partition("=")
        namespace, slash, account = who.partition("/")
        if not (equals and slash):
            raise InputError(f'--workload "{text}": write it as NAMESPACE/ACCOUNT=IP[,IP]')
        if namespace == SYSTEM:
            raise InputError(f'--workload "{text}": the namespace "{SYSTEM}" is ours; no workload acts in it', "E105")
        for address in addresses.split(","):
            try:
                ip_address(address)
            except ValueError:
                raise InputError(f'--workload "{text}": "{address}" is not an IP address') from None
            if address in seen:
                raise InputError(f'--workload "{text}": {address} already belongs to {seen[address]}')
            seen[address] = who
        found.append(
            Workload(
                parse_label(namespace, "--workload namespace"),
                parse_label(account, "--workload account"),
                tuple(addresses.split(",")),
            )
        )
    return tuple(found)

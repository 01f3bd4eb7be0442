"""`isthmus check`: whether a member's installation works, seen from where it is run."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from federation.cli.finding import Finding
from federation.model.errors import InputError, IsthmusError

if TYPE_CHECKING:
    from federation.adapters.kube.access import KubeAccess


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--resolver", metavar="ADDRESS[:PORT]", help="The cluster's resolver (default: the first of resolv.conf)."
)
@click.option("--state", type=click.Path(path_type=Path, file_okay=False), help="The controller's state folder.")
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Of the cluster's API server; FILE or FILE:FILE.")
@click.option("--context", help="Context of the kubeconfig; without it the current one.")
@click.option("--in-cluster", is_flag=True, help="The API server of the cluster in which this is a pod.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text")
@click.pass_context
def check(
    calling: click.Context,
    files: tuple[Path, ...],
    resolver: str | None,
    state: Path | None,
    kubeconfig: Path | None,
    context: str | None,
    in_cluster: bool,
    output: str,
) -> None:
    """Check that clusterset.local is forwarded to us, the controller answers, and our kinds are served. With FILES:
    check these manifests instead, without a cluster.

    One line a check; exit status 1 when one found a problem.
    """
    from federation.cli.check_forward import check_forward, parse_resolver

    if files:
        from federation.cli.check_files import check_files

        if resolver or state or kubeconfig or context or in_cluster:
            raise click.UsageError("FILES are checked by themselves: leave out the options of an installation")
        found = check_files(files)
    else:
        access = _access(kubeconfig, context, in_cluster)
        found = [check_forward(parse_resolver(resolver)), check_controller(state), _kinds(access)]
    if output == "json":
        rows = [{"check": one.check, "status": one.status, "text": one.text} for one in found]
        click.echo(json.dumps(rows, indent=2))
    else:
        click.echo("\n".join(f"{one.status:<8} {one.check:<11} {one.text}" for one in found))
    calling.exit(1 if any(one.status == "problem" for one in found) else 0)


def check_controller(state: Path | None) -> Finding:
    """Whether the controller on this state folder answers, and what it finds wrong."""
    from federation.cli.look import ask
    from federation.cli.tables import troubles
    from federation.config import Folder

    if state is None:
        return Finding("controller", "skipped", "name the controller's state folder with --state")
    socket = Folder(state).api
    try:
        answer = ask(socket, "/v1/status")
    except IsthmusError as error:
        return Finding("controller", "problem", error.text)
    said = troubles(answer)
    if not said:
        return Finding("controller", "ok", f"{socket}: member {answer['member']} answers and has no problems")
    count = "1 problem" if len(said) == 1 else f"{len(said)} problems, the first"
    text = f"{socket}: member {answer['member']} has {count}: {said[0]}; all of it: isthmus status --api {socket}"
    return Finding("controller", "problem", text)


def _access(kubeconfig: Path | None, context: str | None, in_cluster: bool) -> KubeAccess | None:
    if kubeconfig is not None and in_cluster:
        raise InputError("give only one of --kubeconfig FILE and --in-cluster")
    if context is not None and kubeconfig is None:
        raise InputError(f'--context "{context}" is for --kubeconfig FILE: remove it')
    if in_cluster:
        from federation.adapters.kube.access import in_cluster as own_cluster

        return own_cluster()
    if kubeconfig is None:
        return None
    from federation.adapters.kube.kubeconfig import read_kubeconfig

    return read_kubeconfig(kubeconfig, context)


def _kinds(access: KubeAccess | None) -> Finding:
    if access is None:
        return Finding("kinds", "skipped", "name the cluster with --kubeconfig or --in-cluster")
    from federation.cli.check_kinds import check_kinds

    return asyncio.run(check_kinds(access))

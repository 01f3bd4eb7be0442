"""Single programs of a running lab: end one, start it again, run a command beside it."""

import os

from federation.lab import errors, netns, process
from federation.lab.inside import namespaces
from federation.lab.state import Lab, Program


def program(lab: Lab, name: str) -> Program:
    """A program of the lab; LabError names those that there are."""
    try:
        return lab.programs[name]
    except KeyError:
        raise errors.unknown_name("program", name, sorted(lab.programs)) from None


def kill_program(lab: Lab, name: str) -> None:
    """SIGKILL to one program and its group; returns when it is gone."""
    one = program(lab, name)
    process.kill(one)
    process.wait_for(lab, lambda: f"{name} does not end" if process.alive(one) else "", process.KILL_SECONDS)


def start_program(lab: Lab, name: str) -> None:
    """Start it again with the same command line; LabError when it runs already."""
    one = program(lab, name)
    if process.alive(one):
        raise errors.runs_already(name, one.pid)
    process.start(lab, name, one.namespace, one.argv)


def start_dead(lab: Lab) -> None:
    """Start what does not run, signers before controllers."""
    for name in sorted(lab.programs, reverse=True):
        if not process.alive(lab.programs[name]):
            start_program(lab, name)


def execute_at(lab: Lab, where: str, command: list[str]) -> None:
    """Become `command` in one of the lab's namespaces."""
    prefix = netns.prefix(lab.lab)
    known = [name.removeprefix(prefix) for name in namespaces(prefix)]
    if where not in known:
        raise errors.unknown_name("place", where, known)
    os.execvp("ip", ["ip", "netns", "exec", prefix + where, *command])  # noqa: S606

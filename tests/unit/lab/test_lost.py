"""A lab whose programs are all gone, as after a restart of the machine, is known from one that is up."""

import os

from federation.lab.process import start_ticks
from federation.lab.run import lost
from federation.lab.state import Lab, Program


def lab(state: str, *programs: Program) -> Lab:
    return Lab("ab12", "/nowhere", state=state, programs={str(number): one for number, one in enumerate(programs)})


def test_a_lab_is_lost_when_not_one_of_its_programs_runs() -> None:
    ours = Program(os.getpid(), start_ticks(os.getpid()) or 0, [], "")
    another = Program(os.getpid(), 1, [], "")
    assert not lost(lab("up", another, ours))
    assert lost(lab("up", another))
    assert not lost(lab("starting", another))

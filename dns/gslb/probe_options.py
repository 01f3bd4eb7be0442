"""What an operator says of this server's probes on the command line."""

import os
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path

from msgspec import Struct

from federation.model.cidr import Network
from federation.model.errors import InputError
from federation.model.names import is_label
from federation.model.policy import Range
from gslb.bounds import PORTS, Bounds

PORT_MAX = 65_535


class ProbeOptions(Struct, frozen=True):
    """`commands`: programs by the name that a probe of kind exec says."""

    commands: dict[str, Path] = {}
    bounds: Bounds = Bounds()


def parse_probes(commands: Sequence[str], ports: str, allow: Sequence[str]) -> ProbeOptions:
    """`--probe-command`, `--probe-ports` ("": the usual ones), `--probe-allow`. InputError naming option and value."""
    found = [_command(text) for text in commands]
    names = [name for name, _ in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f'--probe-command "{twice}": stands there twice')
    ranges = tuple(_ports(text.strip()) for text in ports.split(",")) if ports else PORTS
    return ProbeOptions(dict(found), Bounds(ranges, tuple(map(_network, allow))))


def _command(text: str) -> tuple[str, Path]:
    name, equals, program = text.partition("=")
    if not equals or not is_label(name):
        raise InputError(f'--probe-command "{text}": write NAME=PROGRAM, NAME a DNS label')
    path = Path(program)
    if not path.is_absolute() or not path.is_file() or not os.access(path, os.X_OK):
        raise InputError(f'--probe-command "{text}": "{program}" is not the absolute path of a program', "E122")
    return name, path


def _ports(text: str) -> Range:
    low, dash, high = text.partition("-")
    numbers = [int(one) for one in (low, high if dash else low) if one.isascii() and one.isdigit()]
    if len(numbers) != 2 or not 1 <= numbers[0] <= numbers[1] <= PORT_MAX:
        raise InputError(f'--probe-ports "{text}": write ports and ranges such as 443,8000-8999', "E122")
    return Range(*numbers)


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise InputError(f'--probe-allow "{text}": {error}', "E122") from None

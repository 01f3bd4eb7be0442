"""Addresses that options name. Imports are made where they are used, so that `--help` stays quick."""

from __future__ import annotations


def anchor(text: str, option: str = "--outside") -> tuple[str, int]:
    """An address of an option. InputError when it is a name: who is cut off cannot resolve it."""
    from ipaddress import ip_address

    from federation.model.errors import InputError
    from federation.telemetry import split_address

    host, port = split_address(text, option)
    try:
        return str(ip_address(host)), port
    except ValueError:
        raise InputError(f'{option} "{text}": "{host}" is not an IP address', "E122") from None

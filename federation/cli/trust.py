"""`isthmus trust`: what this member trusts beside its own federation."""

import click

from federation.cli.trust_domain import domain


@click.group()
def trust() -> None:
    """Foreign trust domains."""


trust.add_command(domain)

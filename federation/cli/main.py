"""The command tree, loaded lazily: `isthmus --help` imports click and nothing else of weight."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import entry_points

import click

from federation.model.errors import IsthmusError

COMMANDS = {
    "init": ("federation.cli.membership:init", "Found a federation: its key, the first member, the ledger."),
    "token": ("federation.cli.join:token", "Make tokens with which members join (on the registrar)."),
    "join": ("federation.cli.join:join", "Join a federation with a token."),
    "leave": ("federation.cli.leave:leave", "Leave the federation, by the registrar's entry."),
    "ledger": ("federation.cli.ledger:ledger", "Sign entries of the ledger where the federation key is kept."),
    "member": ("federation.cli.membership:member", "Request, admit, accept, change, revoke, let go and list members."),
    "registrar": ("federation.cli.registrar:registrar", "Show or move the role that appends to the ledger."),
    "enroll": ("federation.cli.enroll:enroll", "Give a node agent or DNS server its first certificate."),
    "renew": ("federation.cli.enroll:renew", "Give an enrolled program a new certificate after a long absence."),
    "signer": ("federation.cli.run:signer", "Run the signer, the only holder of the anchor's key."),
    "controller": ("federation.cli.run:controller", "Run the controller of one member."),
    "trust": ("federation.cli.trust:trust", "Rotate the member's anchor; know foreign trust domains."),
    "store": ("federation.cli.store:store", "Look after a controller's store."),
    "revoke": ("federation.cli.membership:revoke", "Revoke a member, as `isthmus member revoke` (on the registrar)."),
    "members": ("federation.cli.look:members", "Show the members as a controller sees them."),
    "status": ("federation.cli.look:status", "Show members, nodes, links and services."),
    "drain": ("federation.cli.moves:drain", "Send a member no more requests than others cannot take, in steps."),
    "undrain": ("federation.cli.moves:undrain", "End the drain of a member."),
    "shift": ("federation.cli.moves:shift", "Send a part of a service's requests to another member, in steps."),
    "shifts": ("federation.cli.moves:shifts", "Show the shifts and drains in force."),
    "flat": ("federation.cli.flat:flat", "Let pods of two members reach each other by address, or not."),
    "freeze": ("federation.cli.moves:freeze", "Take no drains and shifts, or take them again."),
    "check": ("federation.cli.check:check", "Check a member's installation from where it is run."),
    "access": ("federation.cli.look:access", "Tell whether a caller of another member may call a service."),
    "explain": ("federation.cli.look:explain", "Explain where requests for a service go, and why."),
    "simulate": ("federation.cli.simulate:simulate", "Run a policy through a scenario in virtual time."),
    "map": ("federation.cli.map:service_map", "Show who calls whom: source, service, destination, rate, errors."),
    "deploy": ("federation.cli.deploy:deploy", "What a Kubernetes cluster needs of a state folder."),
    "lab": ("federation.cli.lab:lab", "A whole federation on this machine."),
}
PLUGINS = {
    "agent": "Run and inspect a node agent (gateway or node).",
    "bench": "Measure what a gateway's links carry.",
    "dns": "Run a DNS server.",
    "gateway": "Look at a gateway's links to other members.",
}


class LazyGroup(click.Group):
    """Knows every command's one-line help; imports a command only when it is called."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Every command, by name."""
        return sorted({*COMMANDS, *PLUGINS})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import and return the command."""
        if name in COMMANDS:
            module, _, attribute = COMMANDS[name][0].partition(":")
            command = getattr(import_module(module), attribute)
        else:
            found = next((e for e in entry_points(group="isthmus.commands") if e.name == name), None)
            command = None if found is None else found.load()
        return command if isinstance(command, click.Command) else None

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of commands, without importing any."""
        rows = sorted([*((name, text) for name, (_, text) in COMMANDS.items()), *PLUGINS.items()])
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="isthmus")
def cli() -> None:
    """Isthmus: multi-cluster federation and global traffic manager."""


def main() -> None:
    """Run the command; a user's mistake is one line on stderr and exit status 2."""
    try:
        sys.exit(cli(prog_name="isthmus", standalone_mode=False))
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.UsageError as error:
        say_usage(error)
    except IsthmusError as error:
        say(str(error))
    except OSError as error:
        if error.filename is None:
            raise
        say(f"E125 {error.filename}: {error.strerror}")
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    sys.exit(2)


def say_usage(error: click.UsageError) -> None:
    """A wrong option or argument in one line, with where to read on."""
    path = error.ctx.command_path if error.ctx else "isthmus"
    say(f"{' '.join(error.format_message().split())} See `{path} --help`.")


def say(text: str) -> None:
    """One line on stderr."""
    click.echo(f"isthmus: {text}", err=True)

"""What the registrar may change of a member that was admitted, and how it ends. Pure: the entry to append."""

from difflib import get_close_matches

from msgspec import Struct, structs

from federation.model.errors import InputError, Refused
from federation.model.ledger import FORMER, Ledger, Member, Quota
from federation.model.names import parse_domain, parse_label
from federation.registrar.admit import check_public

QUOTA_MAX = 10_000_000


class Change(Struct, frozen=True, kw_only=True):
    """The fields to replace; None leaves one as it is. `quota` has the limits to replace, by name."""

    namespaces: tuple[str, ...] | None = None
    dns_zones: tuple[str, ...] | None = None
    ingress: tuple[str, ...] | None = None
    nameservers: tuple[str, ...] | None = None
    quota: dict[str, int] = {}


def changed(ledger: Ledger, name: str, change: Change) -> Member:
    """The member as it shall be. InputError or Refused when it is none (any more), or breaks a rule of admission."""
    member = _active(ledger, name)
    fields = {field: getattr(change, field) for field in ("namespaces", "dns_zones", "ingress", "nameservers")}
    made = structs.replace(member, **{field: value for field, value in fields.items() if value is not None})
    for namespace in made.namespaces:
        if namespace != "*":
            parse_label(namespace, "--namespace")
    for zone in made.dns_zones:
        parse_domain(zone, "--dns-zone")
    others = structs.replace(ledger, members={key: one for key, one in ledger.members.items() if key != name})
    check_public(made.name, made.ingress, made.nameservers, others)
    made = structs.replace(made, quota=structs.replace(made.quota, **change.quota))
    if made == member:
        raise InputError(f'member "{name}" is so already: nothing to change')
    return made


def revoked(ledger: Ledger, name: str, registrar: str) -> Member:
    """The member as revoked: no longer trusted, linked, synchronised or answered by anyone who reads the ledger."""
    member = _active(ledger, name)
    if name == registrar:
        raise Refused(f'member "{name}" is the registrar and cannot revoke itself', "E102")
    return structs.replace(member, state="revoked")


def left(ledger: Ledger, name: str, registrar: str) -> Member:
    """The member as one that left by its own wish: treated by everyone as a revoked one is."""
    member = _active(ledger, name)
    check_may_leave(name, registrar)
    return structs.replace(member, state="left")


def check_may_leave(name: str, registrar: str) -> None:
    """Refused (E102) for the registrar: nobody could append to the ledger any more."""
    if name == registrar:
        raise Refused(
            f'member "{name}" is the registrar and cannot leave; first run `isthmus registrar move --to NAME`', "E102"
        )


def parse_quota(text: str) -> tuple[str, int]:
    """`NAME=COUNT`, a limit of `model.ledger.Quota`. InputError with the known names."""
    name, equals, count = text.partition("=")
    name = name.replace("-", "_")
    known = Quota.__struct_fields__
    if name not in known:
        near = get_close_matches(name, known, 1)
        hint = f', did you mean "{near[0]}"?' if near else ""
        raise InputError(f'--quota "{text}": no such limit{hint}; known: {", ".join(known)}', "E118")
    if not (equals and count.isascii() and count.isdigit() and int(count) <= QUOTA_MAX):
        raise InputError(f'--quota "{text}": write it as {name}=COUNT, COUNT from 0 to {QUOTA_MAX}', "E118")
    return name, int(count)


def _active(ledger: Ledger, name: str) -> Member:
    member = next((one for one in ledger.members.values() if one.name == name), None)
    if member is None:
        known = ", ".join(sorted(ledger.members))
        raise InputError(f'member "{name}": is not in the ledger; known: {known}', "E104")
    if member.state != "active":
        raise Refused(f'member "{name}" {FORMER[member.state]} already', "E102")
    return member

"""EgressPolicy: what this cluster's own clients may call at other members (isthmus.dev/v1alpha1)."""

from typing import Annotated

from msgspec import Meta, Struct

from federation.model.confine import Callee, Confined
from federation.model.names import LABEL_MAX, NAME_MAX, is_host, is_label

ACCOUNTS_MAX = 64
SERVICES_MAX = 256
MEMBERS_MAX = 64
SHOWN = 80

Account = Annotated[str, Meta(min_length=1, max_length=NAME_MAX)]
Member = Annotated[str, Meta(min_length=1, max_length=LABEL_MAX)]


class CalleeSpec(Struct, frozen=True, kw_only=True, rename="camel"):
    """Services that may be called; what is left out is any."""

    namespace: Annotated[str, Meta(max_length=LABEL_MAX, description="Their namespace.")] = ""
    service: Annotated[str, Meta(max_length=LABEL_MAX, description="Their name.")] = ""


class EgressPolicySpec(Struct, frozen=True, kw_only=True, rename="camel"):
    """What these clients may call at other members, with what other such policies for them add; nothing else there."""

    service_accounts: Annotated[
        list[Account],
        Meta(max_length=ACCOUNTS_MAX, description="Whom it is for; none: every account of the namespace."),
    ] = []
    to: Annotated[
        list[CalleeSpec], Meta(max_length=SERVICES_MAX, description="The services that they may call; none: none.")
    ] = []
    addresses: Annotated[
        list[Member],
        Meta(
            max_length=MEMBERS_MAX, description="Members whose pods they may reach by address in flat mode; none: none."
        ),
    ] = []


def egress_fault(spec: EgressPolicySpec) -> str | None:
    """Field, value and limit of the first fault, or None."""
    for account in spec.service_accounts:
        if not (is_label(account) or is_host(account)):
            return f'field "spec.serviceAccounts": "{account[:SHOWN]}" is not a DNS name in lower case'
    for index, one in enumerate(spec.to):
        for field, text in (("namespace", one.namespace), ("service", one.service)):
            if text and not is_label(text):
                return f'field "spec.to[{index}].{field}": "{text}" is not a DNS label'
    for member in spec.addresses:
        if not is_label(member):
            return f'field "spec.addresses": "{member}" is not a DNS label'
    return None


def confined(namespace: str, name: str, spec: EgressPolicySpec) -> Confined:
    """What it says, in the model's words."""
    return Confined(
        namespace=namespace,
        name=name,
        accounts=tuple(spec.service_accounts),
        services=tuple(Callee(one.namespace, one.service) for one in spec.to),
        members=tuple(spec.addresses),
    )

"""Names, parsed once at the edge and trusted afterwards."""

import re
from collections.abc import Iterable
from typing import NewType

from msgspec import Struct

from federation.model.errors import InputError

MemberName = NewType("MemberName", str)

LABEL_MAX = 63
NAME_MAX = 253
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


def is_label(text: str) -> bool:
    """True for an RFC 1123 label in lower case: 1 to 63 of a-z, 0-9 and inner hyphens."""
    return len(text) <= LABEL_MAX and _LABEL.fullmatch(text) is not None


def parse_label(text: str, what: str) -> str:
    """`text` if it is an RFC 1123 label, else InputError naming `what`."""
    if not is_label(text):
        raise InputError(f'{what} "{text}": must be a DNS label (1 to {LABEL_MAX} of a-z, 0-9 and inner "-")', "E114")
    return text


def parse_member(text: str) -> MemberName:
    """A member's name: a DNS label (design section 1)."""
    return MemberName(parse_label(text, "member name"))


def parse_domain(text: str, what: str = "federation domain") -> str:
    """A DNS name of at least two labels and at most 200 characters, so that member names fit in front."""
    if len(text) > 200 or not is_host(text):
        raise InputError(f'{what} "{text}": must be a DNS name such as "acme.mesh", at most 200 characters', "E114")
    return text


class ServiceKey(Struct, frozen=True, order=True):
    """namespace/name of a service: the same pair is the same service in every member (KEP-1645 sameness)."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def host(self) -> str:
        """The clusterset name without its final dot (KEP-1645 DNS)."""
        return f"{self.name}.{self.namespace}.svc.clusterset.local"


def parse_service(text: str) -> ServiceKey:
    """`namespace/name`, else InputError."""
    namespace, slash, name = text.partition("/")
    if not slash:
        raise InputError(f'service "{text}": write it as NAMESPACE/NAME', "E114")
    return ServiceKey(parse_label(namespace, "namespace"), parse_label(name, "service name"))


def is_host(text: str) -> bool:
    """True for a public name: at least two labels in lower case, at most 253 characters, no final dot."""
    labels = text.split(".")
    return len(text) <= NAME_MAX and len(labels) > 1 and all(is_label(label) for label in labels)


def zone_of(host: str, zones: Iterable[str]) -> str:
    """The most specific of the zones that holds this host, or ""."""
    return max((zone for zone in zones if host == zone or host.endswith("." + zone)), key=len, default="")


def parse_subject(text: str) -> ServiceKey | str:
    """A service as NAMESPACE/NAME, or a public name in lower case; InputError when it is neither."""
    if "/" in text:
        return parse_service(text)
    if not is_host(text):
        raise InputError(f'"{text}": write a service as NAMESPACE/NAME, a public name as shop.example.com', "E114")
    return text

"""The names of the objects that are made for imports. Pure."""

from hashlib import sha256

from federation.model.names import ServiceKey

NAME_KEPT = 40
"""Characters of a service's name that the names of objects made for it repeat, for people."""


def derived_name(service: ServiceKey) -> str:
    """The name of the Service whose ClusterIP is the clusterset IP: a DNS label (RFC 1035), one for each import."""
    return f"imported-{kept(service.name)}-{mark(service.name)}"


def kept(name: str) -> str:
    """The beginning of a name."""
    return name[:NAME_KEPT].rstrip("-")


def mark(text: str) -> str:
    """Tells names apart that begin alike."""
    return sha256(text.encode()).hexdigest()[:10]

"""What a client refused: whom its words blame, and what we say of it."""

from collections.abc import Iterable, Mapping

from msgspec import Struct


class Rejected(Struct, frozen=True):
    """A version that the client refused (None: a removal), with its words."""

    version: str | None
    text: str

    @property
    def passing(self) -> bool:
        """True when the content is not at fault but the moment: an address that another process still holds."""
        return "cannot bind" in self.text


def blamed(names: Iterable[str], error: str) -> set[str]:
    """The resources that an error text names, as Envoy and gRPC do: `<name>: <why>`."""
    words = " " + " ".join(error.split())
    return {name for name in names if f" {name}:" in words}


class Refused(Struct, frozen=True, order=True):
    """A resource that a client does not take, and its words."""

    type_url: str
    name: str
    text: str

    def __str__(self) -> str:
        return f"E190 envoy refuses {self.type_url.rpartition('.')[2]} {self.name}: {self.text}"


def told(type_url: str, rejected: Mapping[str, Rejected]) -> list[Refused]:
    """What is refused of one type, in the client's own words."""
    return [Refused(type_url, name, refusal.text) for name, refusal in sorted(rejected.items())]

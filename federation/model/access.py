"""Who may call an exported service: SPIFFE identities, ports, methods, paths. Default deny between members."""

from msgspec import Struct

from federation.model.names import MemberName


class Source(Struct, frozen=True):
    """Callers: of this member (a SPIFFE trust domain), namespace and service account; "" is any."""

    member: MemberName | str = ""
    namespace: str = ""
    account: str = ""


class AccessRule(Struct, frozen=True, kw_only=True):
    """Any of `sources` may call any of these ports (names or numbers; none: all), with any of these HTTP methods and
    path prefixes (none: all). A rule with methods or paths admits nobody to a port that is not HTTP.
    """

    sources: tuple[Source, ...]
    ports: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

"""What the operator of a DNS server said at its start."""

from __future__ import annotations

from msgspec import Struct, field

from gslb.atlas_files import AtlasFiles
from gslb.checks import Address
from gslb.cookie_secrets import CookieSecrets
from gslb.files import ZoneFiles
from gslb.front import Wanted
from gslb.locality import Line
from gslb.probe_options import ProbeOptions
from gslb.rrl import NO_LIMITS, Limits


class Settings(Struct, frozen=True, kw_only=True):
    """`name` is what the server is called (NSID), `lines` are those of `--subnets`, `outside` the anchors that tell
    whether we are cut off, `files` zones to serve beside the handout's; `atlas` says where clients are, `limits` how
    much of the same answer a network gets, `probes` what probes may do, `packet_path` what answers datagrams.
    """

    name: str = ""
    lines: tuple[Line, ...] = ()
    outside: tuple[Address, ...] = ()
    files: ZoneFiles = field(default_factory=lambda: ZoneFiles(()))
    secrets: CookieSecrets = field(default_factory=lambda: CookieSecrets(None))
    atlas: AtlasFiles = field(default_factory=AtlasFiles)
    limits: Limits = NO_LIMITS
    probes: ProbeOptions = ProbeOptions()
    packet_path: Wanted = "auto"

"""Foreign trust domains: which, where their bundles are, and the last good bundle of each, as files.

Name, URL and profile are said explicitly and never taken one from another (SPIFFE Federation section 6).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from federation.files import write_private
from federation.model.errors import InputError, Refused
from federation.model.spiffe import parse_spiffe
from federation.trust.bundle import Bundle, read_bundle

Profile = Literal["https_web", "https_spiffe"]
HINT_USUAL, HINT_MIN, HINT_MAX = 300, 10, 86_400
_TRUST_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,253}[a-z0-9])?")


class Foreign(Struct, frozen=True, kw_only=True):
    """One foreign trust domain. `ca` (https_web) is PEM, "" for this machine's CAs; `endpoint_id` for https_spiffe."""

    trust_domain: str
    url: str
    profile: Profile
    endpoint_id: str = ""
    ca: str = ""


class Held(Struct, frozen=True):
    """The last good document, byte by byte, and the Unix second at which it was had."""

    data: bytes
    fetched: int


def check_foreign(foreign: Foreign, domain: str) -> None:
    """InputError unless this may stand beside our own federation, whose domain is this one."""
    name = foreign.trust_domain
    if not _TRUST_DOMAIN.fullmatch(name) or ".." in name:
        raise InputError(f'trust domain "{name[:80]}": write 1 to 255 of a-z, 0-9, ".", "-" and "_"', "E114")
    if within(name, domain):
        raise InputError(
            f'trust domain "{name}" lies in our own federation {domain}: only the ledger speaks for members', "E102"
        )
    _check_url(foreign.url)
    if foreign.profile == "https_web":
        if foreign.endpoint_id:
            raise InputError("--endpoint-id is for --profile https_spiffe: https_web checks the host name")
        return
    if foreign.ca:
        raise InputError("--ca is for --profile https_web: https_spiffe trusts the bundle alone")
    if not foreign.endpoint_id:
        raise InputError("--endpoint-id spiffe://… is missing: --profile https_spiffe pins it")
    if parse_spiffe(foreign.endpoint_id).trust_domain != name:
        raise InputError(f'--endpoint-id "{foreign.endpoint_id}" is not of {name}: only its own endpoint is polled')


def within(trust_domain: str, domain: str) -> bool:
    """True when this trust domain is our federation's domain or below it."""
    return trust_domain == domain or trust_domain.endswith("." + domain)


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme == "https" and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or "@" in url or "#" in url or not url.isascii() or not url.isprintable() or " " in url:
        raise InputError(f'--url "{url[:160]}": write https://HOST[:PORT]/PATH, without user or fragment', "E122")


def wait_for(bundle: Bundle | None) -> int:
    """Seconds until the next look: the bundle's hint, between HINT_MIN and HINT_MAX."""
    hint = bundle.refresh_hint if bundle is not None else 0
    return min(max(hint or HINT_USUAL, HINT_MIN), HINT_MAX)


class ForeignFolder:
    """The files of all foreign trust domains."""

    def __init__(self, path: Path, domain: str) -> None:
        self._path = path
        self._domain = domain

    def add(self, foreign: Foreign, first: bytes, now: int) -> None:
        """Poll this one from now on; `first` is its first bundle or empty. InputError, Refused."""
        check_foreign(foreign, self._domain)
        if self._config(foreign.trust_domain).exists():
            raise InputError(f'trust domain "{foreign.trust_domain}" is there already; remove it first', "E102")
        if foreign.profile == "https_spiffe" and not first:
            raise InputError("--bundle FILE is missing: --profile https_spiffe starts from a first bundle")
        self._path.mkdir(mode=0o700, exist_ok=True)
        self._held(foreign.trust_domain).unlink(missing_ok=True)
        if first:
            read_bundle(first, foreign.trust_domain)
            self.keep(foreign.trust_domain, Held(first, now))
        write_private(self._config(foreign.trust_domain), msgspec.json.encode(foreign))

    def remove(self, name: str) -> None:
        """Poll and trust this one no more. InputError when it is not there."""
        if name not in self.all():
            raise InputError(f'trust domain "{name[:80]}" is not there', "E104")
        self._config(name).unlink()
        self._held(name).unlink(missing_ok=True)

    def all(self) -> dict[str, Foreign]:
        """Every foreign trust domain by name. InputError for a file that cannot be read."""
        found = {}
        for path in sorted(self._path.glob("*.json")):
            try:
                foreign = msgspec.json.decode(path.read_bytes(), type=Foreign)
                check_foreign(foreign, self._domain)
            except FileNotFoundError:
                continue
            except (OSError, msgspec.MsgspecError, InputError) as error:
                raise InputError(f"{path}: {error}; remove the file and add the trust domain again") from None
            found[foreign.trust_domain] = foreign
        return found

    def asks_for(self, foreign: Foreign) -> bool:
        """True when this trust domain is still asked for, at this place; also when that cannot be read now."""
        try:
            return msgspec.json.decode(self._config(foreign.trust_domain).read_bytes(), type=Foreign) == foreign
        except FileNotFoundError:
            return False
        except (OSError, msgspec.MsgspecError):
            return True

    def keep(self, name: str, held: Held) -> None:
        """Keep this as the last good bundle. OSError leaves the one before."""
        write_private(self._held(name), msgspec.msgpack.encode(held))

    def held(self, name: str) -> tuple[Held, Bundle] | None:
        """The last good bundle; None when there is none or its file is torn."""
        try:
            held = msgspec.msgpack.decode(self._held(name).read_bytes(), type=Held)
            return held, read_bundle(held.data, name)
        except (OSError, msgspec.MsgspecError, Refused):
            return None

    def _config(self, name: str) -> Path:
        return self._path / f"{name}.json"

    def _held(self, name: str) -> Path:
        return self._path / f"{name}.bundle"

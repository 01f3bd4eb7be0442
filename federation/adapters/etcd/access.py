"""Where an etcd is and who we are there: the options of `--store etcd`, checked before anything is dialled."""

import ipaddress
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from federation.files import check_private
from federation.model.errors import InputError

ENDPOINT = "write it as https://HOST:PORT"


@dataclass(frozen=True)
class EtcdOptions:
    """As given on the command line."""

    endpoints: tuple[str, ...] = ()
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    user: str = ""
    password_file: Path | None = None


@dataclass(frozen=True)
class EtcdAccess:
    """Endpoints as (host, port), tried in this order; `tls` None for plain http on this machine."""

    endpoints: tuple[tuple[str, int], ...]
    tls: ssl.SSLContext | None
    user: str = ""
    password: str = ""


def read_access(options: EtcdOptions) -> EtcdAccess:
    """The options as what the client needs. InputError names the option that is wrong."""
    if not options.endpoints:
        raise InputError("--store etcd needs --etcd-endpoint https://HOST:PORT (may be repeated)")
    urls = [_url(text) for text in options.endpoints]
    if len({url.scheme for url in urls}) > 1:
        raise InputError("--etcd-endpoint: some are http and some https; give all as https")
    if (options.certificate is None) != (options.key is None):
        raise InputError("give --etcd-cert and --etcd-key together")
    if bool(options.user) != (options.password_file is not None):
        raise InputError("give --etcd-user and --etcd-password-file together")
    tls = _tls(options) if urls[0].scheme == "https" else None
    if tls is None:
        _check_plain(options)
    password = "" if options.password_file is None else _secret(options.password_file, "--etcd-password-file").strip()
    if options.password_file and not password:
        raise InputError(f'--etcd-password-file "{options.password_file}": is empty; write the password into it')
    if tls and not options.user and options.certificate is None:
        raise InputError(
            "etcd must know who we are: give --etcd-cert and --etcd-key, or --etcd-user and --etcd-password-file",
            "E122",
        )
    return EtcdAccess(tuple((url.hostname or "", url.port or 0) for url in urls), tls, options.user, password)


def _url(text: str) -> SplitResult:
    wrong = InputError(f'--etcd-endpoint "{text}": {ENDPOINT}')
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError:
        raise wrong from None
    if url.scheme not in ("http", "https") or not host or not port or url.path not in ("", "/"):
        raise wrong
    if url.username is not None or url.query or url.fragment:
        raise wrong
    if url.scheme == "http" and not _loopback(host):
        raise InputError(f'--etcd-endpoint "{text}": http is for this machine only; use https', "E122")
    return url


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_plain(options: EtcdOptions) -> None:
    for name, value in (("--etcd-ca", options.ca), ("--etcd-cert", options.certificate)):
        if value is not None:
            raise InputError(f"{name} is of no use with http endpoints; use https or leave it out")


def _tls(options: EtcdOptions) -> ssl.SSLContext:
    """TLS 1.3, the server's name checked against its certificate, its issuer against --etcd-ca only."""
    if options.ca is None:
        raise InputError("https endpoints need --etcd-ca, the file of the CA that signed etcd's certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["h2"])
    _load(options.ca, "--etcd-ca", lambda: context.load_verify_locations(options.ca))
    if options.certificate is not None and options.key is not None:
        certificate, key = options.certificate, options.key
        _secret(key, "--etcd-key")
        _load(certificate, "--etcd-cert", lambda: context.load_cert_chain(certificate, key, password=""))
    return context


def _load(path: Path, option: str, load: Callable[[], None]) -> None:
    try:
        path.open("rb").close()
        load()
    except ssl.SSLError as error:
        reason = (error.reason or "").lower().replace("_", " ") or "no certificate in it"
        raise InputError(f'{option} "{path}": is not a PEM file that can be used ({reason})') from None
    except OSError as error:
        raise InputError(f'{option} "{path}": {error.strerror}') from None


def _secret(path: Path, option: str) -> str:
    try:
        mode, text = path.stat().st_mode, path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not text"
        raise InputError(f'{option} "{path}": {reason}') from None
    check_private(mode, path, f'{option} "{path}"')
    return text

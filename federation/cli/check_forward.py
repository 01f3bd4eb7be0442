"""The `forward` check: the cluster's resolver gives us the questions for clusterset.local."""

from collections.abc import Sequence
from ipaddress import ip_address

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver

from federation.cli.finding import Finding
from federation.model.errors import InputError

NAME = "dns-version.clusterset.local"
OURS, COREDNS = "1.0.0", "1.1.0"
"""What our DNS servers answer (schema version), and what CoreDNS answers for any zone."""

RESOLV_CONF = "/etc/resolv.conf"
TRIES = (2.0, 8.0)
"""Seconds to wait for an answer, try by try: CoreDNS gives up on an upstream after 5 s and says SERVFAIL."""

BLOCK = "the server block of deploy/coredns/Corefile"
ADD = f"it does not ask our DNS servers; add {BLOCK} to its Corefile (ConfigMap coredns of kube-system)"

Address = tuple[str, int]


def parse_resolver(text: str | None) -> Address:
    """`ADDRESS`, `ADDRESS:PORT` or `[IPV6]:PORT`; without one the first of resolv.conf. InputError."""
    if text is None:
        return _first_of_resolv_conf(), 53
    for host, port in ((text, "53"), text.rpartition(":")[::2]):
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        six, bracketed = ":" in bare, bare != host
        if _is_address(bare) and _is_port(port) and (six == bracketed or bare == text):
            return str(ip_address(bare)), int(port)
    shape = "write it as ADDRESS, ADDRESS:PORT or [IPV6]:PORT with an IP address and a port of 1 to 65535"
    raise InputError(f'--resolver "{text}": {shape}', "E122")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text) < 65_536


def _first_of_resolv_conf() -> str:
    try:
        return str(dns.resolver.Resolver(RESOLV_CONF).nameservers[0])
    except (dns.resolver.NoResolverConfiguration, IndexError):
        raise InputError(
            f"{RESOLV_CONF} names no resolver: give the cluster's with --resolver ADDRESS", "E122"
        ) from None


def check_forward(resolver: Address, tries: Sequence[float] = TRIES) -> Finding:
    """What this resolver answers for the version of clusterset.local, and what that means."""
    where = f"[{resolver[0]}]:{resolver[1]}" if ":" in resolver[0] else f"{resolver[0]}:{resolver[1]}"
    try:
        response = _ask(resolver, tries)
    except OSError as error:
        return _problem(f"{where}: {error.strerror or error}; name the cluster's resolver with --resolver ADDRESS")
    except dns.exception.Timeout:
        why = f"it cannot be reached from here, or the address after `forward .` in {BLOCK} is wrong"
        return _problem(f"{where} does not answer for {NAME} in {sum(tries):g} s: {why}")
    except dns.exception.DNSException as error:
        return _problem(f"{where} answers with what is no DNS message ({type(error).__name__}); is it a resolver?")
    return judge(where, response)


def judge(where: str, response: dns.message.Message) -> Finding:
    """What a response means."""
    said = f"{where} answers {NAME} with"
    versions = _versions(response)
    code = dns.rcode.to_text(response.rcode())
    if response.rcode() == dns.rcode.SERVFAIL:
        why = f"our DNS servers do not answer it, or have no handout yet: see their logs, and the address in {BLOCK}"
        return _problem(f"{said} SERVFAIL: {why}")
    if not versions:
        return _problem(f"{said} {code if response.rcode() else 'no TXT record'}: {ADD}")
    if OURS in versions:
        return Finding("forward", "ok", f'{said} "{OURS}"')
    if COREDNS in versions:
        note = f"CoreDNS's own multicluster option, without local first; for ours add {BLOCK}"
        return Finding("forward", "ok", f'{said} "{COREDNS}": {note}')
    return _problem(f'{said} "{versions[0]}": {ADD}')


def _ask(resolver: Address, tries: Sequence[float]) -> dns.message.Message:
    """The first answer. Timeout of the last try, OSError, DNSException."""
    for seconds in tries[:-1]:
        try:
            return _once(resolver, seconds)
        except dns.exception.Timeout:
            continue
    return _once(resolver, tries[-1])


def _once(resolver: Address, seconds: float) -> dns.message.Message:
    query = dns.message.make_query(NAME, dns.rdatatype.TXT, use_edns=0)
    host, port = resolver
    return dns.query.udp_with_fallback(query, host, seconds, port, ignore_unexpected=True)[0]


def _versions(response: dns.message.Message) -> list[str]:
    return [
        b"".join(rdata.strings).decode(errors="replace")[:40]
        for rrset in response.answer
        if rrset.rdtype == dns.rdatatype.TXT
        for rdata in rrset
    ]


def _problem(text: str) -> Finding:
    return Finding("forward", "problem", text)

"""A DNS server that has everything: zone files with every kind of name, the federation's public names, `clusterset.local`."""

from __future__ import annotations

from gslb.client import client_of
from gslb.compiler import Compiler
from gslb.cookies import answered
from gslb.library import Responder
from gslb.locality import parse_lines
from gslb.options import Itself
from gslb.steer import Steering
from gslb.zone import AAAA, A

from federation.model.handout import Import, Listener
from federation.model.names import ServiceKey
from federation.model.standing import Standing
from tests.unit.gslb.test_lookup import CHILD, MORE, ZONE
from tests.worlds.datagrams import ADDRESSES
from tests.worlds.headless import headless, part, pod
from tests.worlds.public_names import FAST, NUMBERS, PAY, SHOP, handout, steered, target
from tests.worlds.public_names import ZONE as FEDERATED
from tests.worlds.routed_names import atlas, lost, routed

SECRETS = (bytes(range(16)), bytes(16))
COOKIES = (
    bytes(8),
    bytes(24),
    *(answered(bytes(8), client_of(one).address, 1, SECRETS[at:]) for one in ADDRESSES for at in (0, 1)),
)
"""One of a client alone, one that nobody made, and those of every client, made with either secret."""

ITSELF = Itself("ams-1", SECRETS)
SIX, NONE, NEW = f"six.{FEDERATED}", f"none.{FEDERATED}", f"new.{FEDERATED}"
MANY = "".join(f"many A 192.0.2.{n}\nmany MX {n} Mail{n}\nmail{n} A 198.51.100.{n}\n" for n in range(1, 60))
SOME = "".join(f"some MX {n} mail{n}\n" for n in range(1, 20))
FEW = "".join(f"few NS n{n}.few\nn{n}.few A 192.0.2.{n}\n" for n in range(1, 21))
HOSTS = "".join(f"h{n} A 198.51.100.{n}\n" for n in range(1, 121))
CHAIN = "".join(f"c{n} CNAME C{n + 1}\n" for n in range(20))
RICH = f"""$ORIGIN Rich.Test.
$TTL 600
@ SOA ns.Rich.Test. host.master 1 7200 1800 86400 60
@ NS ns
@ NS NS.other.net.
@ TXT "v=spf1 -all" "two"
@ CAA 0 issue "ca.test"
ns A 192.0.2.1
ns AAAA 2001:db8::1
{MANY}{SOME}{HOSTS}{CHAIN}c20 A 192.0.2.9
tenth 10 A 192.0.2.10
tenth 20 A 192.0.2.11
_sip._tcp SRV 1 2 5060 Mail1
_sip._tcp SRV 1 2 5061 mail2.rich.test.
_sip._tcp SRV 1 2 5062 .
self SRV 1 2 5060 .
self SRV 1 2 5061 self
self A 192.0.2.35
_sip._tcp NAPTR 1 2 "u" "E2U+sip" "!^.*$!sip:a@b!" .
ptr PTR Mail1
rp RP mail1 txt.Rich.Test.
afs AFSDB 1 mail1
kx KX 1 mail1
long TXT {" ".join('"' + "x" * 250 + '"' for _ in range(6))}
mid TXT {" ".join('"' + "x" * 250 + '"' for _ in range(3))}
{FEW}svc 60 HTTPS 1 mail1 alpn=h2 ipv4hint=192.0.2.1
svc 60 HTTPS 2 .
svc A 192.0.2.33
hint HTTPS 1 shop.{FEDERATED}. alpn=h2 ipv4hint=192.0.2.1
to HTTPS 1 shop.{FEDERATED}. alpn=h2
ali ALIAS shop.{FEDERATED}.
ali TXT "beside"
below.ali A 192.0.2.34
*.wali ALIAS mail1
*.svc SVCB 1 . port=8443
odd TYPE999 \\# 4 01020304
odd LOC 52 22 23 N 4 53 32 E -2m
two\\.dots A 192.0.2.44
to\\.dots CNAME two\\.dots
sp\\032ace DNAME mail1
dots DNAME two\\.dots
todots MX 1 a.dots
bydots NS a.dots
*.wdots CNAME two\\.dots
deep.er.still TXT "x"
*.wild CNAME many
*.wild2 A 192.0.2.50
a.*.wild2 TXT "below a wildcard"
*.wild3 DNAME Elsewhere
cut NS ns.cut
cut NS ns
cut NS ns2.zone.test.
ns.cut A 192.0.2.60
ns.cut AAAA 2001:db8::60
deep.cut A 192.0.2.61
glue NS {"n" * 60}.glue
{"".join(f"glue NS n{n}.glue" + chr(10) + f"n{n}.glue A 192.0.2.{n}" + chr(10) for n in range(1, 40))}
dn DNAME Elsewhere
loopdn DNAME x.loopdn
longdn DNAME {".".join(["l" * 50] * 4)}.net.
root CNAME .
shop CNAME shop.{FEDERATED}.
new CNAME {NEW}.
none CNAME {NONE}.
up CNAME web.shop.svc.clusterset.local.
db CNAME db.shop.svc.clusterset.local.
"""
SUBNETS = "198.18.1.7/32 eu-central\n198.18.0.0/16 us-west\n2001:db8:ff2:1::/64 us-east\n2001:db8::/32 eu-central\n"
FILES = {"rich.test": RICH, "example": ZONE, "test": MORE, "zone.test": CHILD}
IMPORTED = Import(
    service=ServiceKey("shop", "web"),
    kind="ClusterSetIP",
    addresses=("10.101.0.5", "fd00::5"),
    ports=tuple(Listener(name=n, port=p, protocol="TCP", app_protocol="", listener=20_000) for n, p in (("http", 80), ("", 81))),
    candidates=(),
)  # fmt: skip


def busy() -> Steering:
    """It comes back by the ramp at us-west for ten seconds from the Unix millisecond 1,000 on for the name `new`."""
    names = (
        steered(SHOP, *(target(member) for member in NUMBERS)),
        steered(PAY, target("us-west"), target("eu-central")),
        steered(SIX, target("us-east", addresses=("2001:db8::6", "2001:db8::7"))),
        steered(NONE),
        steered(NEW, target("us-west"), target("us-east"), policy=FAST, steering="weighted"),
    )
    clusterset = headless(part("us-east", pod("10.1.0.1"), pod("10.1.0.2", "db-0")))
    values = {**clusterset, "import/shop/web": IMPORTED, **handout("us-east", *names, *routed())}
    back = {"us-west": Standing(up=True, since=1_000)}
    evidence = {**lost(), **{(NEW, kind): back for kind in (A, AAAA)}}
    return Steering(
        Compiler(parse_lines(SUBNETS, "map"), atlas()).compile(values, 7, Responder(FILES)._steering.table.zones),
        evidence,
    )


def names_of(steering: Steering) -> list[str]:
    """Every name that it has, those that are steered and those that lead elsewhere more often; and one not its own."""
    table = steering.table
    leading = [name for zone in table.zones.values() for name in zone.dnames]
    fixed = [name for zone in table.zones.values() for name in (*zone.names, *zone.inner)]
    hosts = [name for one in table.headless.values() for name in one.hosts]
    return sorted([*fixed, *hosts, "other.net", *leading * 5, *[*table.steered] * 20])

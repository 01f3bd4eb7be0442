"""What is answered, before it is bytes."""

from msgspec import Struct

from gslb.steer import Standpoint
from gslb.zone import Row, Rows

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, YXDOMAIN = 0, 1, 2, 3, 4, 5, 6


class Answered(Struct, frozen=True):
    """`negative` is the SOA of the authority section; `scope` the bits of the client subnet that the answer is for.
    A referral is no word of authority: `referral` are the delegation's NS records, and without the addresses in
    `additional` it is of no use. `until` is the Unix millisecond from which age alone may make it another (0: it stays
    as long as table and evidence); `stand` is where the client of a steered name stands; `exact` when the names asked
    and followed are held as they are, no wildcard's.
    """

    code: int
    zone: str = ""
    records: Rows = ()
    additional: Rows = ()
    negative: Row | None = None
    scope: int = 0
    referral: Rows = ()
    until: int = 0
    exact: bool = False
    stand: Standpoint | None = None

    @property
    def authoritative(self) -> bool:
        """True when it is this server's own word."""
        return bool(self.zone) and not (self.referral and not self.records)

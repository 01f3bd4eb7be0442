"""`echo.py ADDRESS[%DEVICE] SECONDS`: ICMPv6 echo (RFC 4443 section 4) until one is answered; exit status 1 when none is."""

import socket
import struct
import sys
import time

ECHO_REQUEST, ECHO_REPLY = 128, 129

if __name__ == "__main__":
    until = time.monotonic() + float(sys.argv[2])
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as raw:
        raw.settimeout(0.2)
        address, _, device = sys.argv[1].partition("%")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        while time.monotonic() < until:
            raw.sendto(struct.pack("!BBHHH", ECHO_REQUEST, 0, 0, 7, 1), (address, 0))
            try:
                data, source = raw.recvfrom(2048)
            except TimeoutError:
                continue
            if data[0] == ECHO_REPLY and source[0] == address:
                sys.exit(0)
    sys.exit(1)

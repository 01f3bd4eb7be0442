"""`tls_probe.py ADDRESS PORT SNI PEM`: one HTTPS GET over TLS 1.3; prints the status line, or `refused: <why>`.

PEM holds key and chain; "-" shows no certificate. The server is not verified: what is probed is whom it lets in.
"""

import socket
import ssl
import sys

if __name__ == "__main__":
    address, port, name, pem = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if pem != "-":
        context.load_cert_chain(pem)
    try:
        with (
            socket.create_connection((address, port), 5) as plain,
            context.wrap_socket(plain, server_hostname=name) as secure,
        ):
            secure.sendall(b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n")
            answer = secure.recv(4096)
            print(answer.split(b"\r\n")[0].decode() if answer else "refused: closed")
    except OSError as error:
        print(f"refused: {error}")

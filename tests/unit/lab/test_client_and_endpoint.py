import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner

from federation.cli.lab import lab as command
from federation.lab.client import Client, results
from federation.lab.endpoint import answer, from_header

XFCC = (
    "By=spiffe://eu-central.acme.mesh/ns/isthmus/sa/gateway;Hash=ab12;"
    'Subject="CN=a,b";URI=spiffe://us-east.acme.mesh/ns/shop/sa/client'
)


class Pod(BaseHTTPRequestHandler):
    count = 0

    def do_GET(self) -> None:
        Pod.count += 1
        name = f"web-{Pod.count}"
        body = json.dumps(answer(name, "eu-central", self.path, "GET", XFCC)).encode()
        self.send_response(503 if self.path == "/fail" else 200)
        self.send_header("x-endpoint", name)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    Pod.count = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Pod) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_the_callers_identity_is_taken_from_the_header() -> None:
    assert from_header(XFCC, "URI") == "spiffe://us-east.acme.mesh/ns/shop/sa/client"
    assert from_header(XFCC, "By") == "spiffe://eu-central.acme.mesh/ns/isthmus/sa/gateway"
    assert from_header(None, "URI") is None and from_header("junk", "URI") is None
    assert "spiffe" not in answer("web-1", "us-east", "/", "GET", None)


def test_a_request_tells_who_answered_and_who_was_seen(url: str) -> None:
    one = Client(f"{url}/x").request()
    assert (one.ok, one.status, one.endpoint, one.member, one.address) == (
        True,
        200,
        "web-1",
        "eu-central",
        "127.0.0.1",
    )
    assert one.spiffe == "spiffe://us-east.acme.mesh/ns/shop/sa/client" and one.ms > 0


def test_requests_stop_at_the_wanted_endpoint(url: str) -> None:
    found = list(results(Client(url), count=0, rate=0, deadline=10, until="web-3"))
    assert [one.endpoint for one in found] == ["web-1", "web-2", "web-3"]


def test_failures_are_results(url: str) -> None:
    failed = Client(f"{url}/fail").request()
    assert (failed.ok, failed.status) == (False, 503) and failed.error
    refused = Client("http://127.0.0.1:1/", timeout=1).request()
    assert (refused.ok, refused.status) == (False, 0) and refused.error.startswith("ConnectionRefusedError")


def test_the_command_prints_one_json_line_a_request(url: str) -> None:
    done = CliRunner().invoke(command, ["client", url, "--count", "2", "--parallel", "3", "--keep"])
    assert done.exit_code == 0
    assert len([json.loads(line) for line in done.stdout.splitlines()]) == 6
    assert CliRunner().invoke(command, ["client", f"{url}/fail"]).exit_code == 1


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["ftp://x/"], 'E186 URL "ftp://x/": must be http://HOST[:PORT][/PATH]'),
        (
            ["http://x/", "--count", "0"],
            "E186 --count 0 needs --deadline or --until-endpoint, or it would never end",
        ),
    ],
)
def test_bad_arguments_are_one_line(argv: list[str], line: str) -> None:
    done = CliRunner().invoke(command, ["client", *argv])
    assert (done.exit_code, done.stderr) == (2, f"isthmus: {line}\n")

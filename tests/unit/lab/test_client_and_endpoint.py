import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner

from federation.cli.lab import lab as command
from federation.lab.client import Asked, Client
from federation.lab.endpoint import Pod, answer, from_header, switched
from federation.lab.load import Bounds, results

XFCC = (
    "By=spiffe://eu-central.acme.mesh/ns/isthmus/sa/gateway;Hash=ab12;"
    'Subject="CN=a,b";URI=spiffe://us-east.acme.mesh/ns/shop/sa/client'
)


POD = Pod("web", "web-1", "10.1.1.11", "us-east")


class Server(BaseHTTPRequestHandler):
    count = 0
    seen = ("", "")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.do_GET()

    def do_GET(self) -> None:
        Server.count += 1
        Server.seen = (self.command, self.headers["host"])
        name = f"web-{Server.count}"
        body = json.dumps(answer(Pod("web", name, "", "eu-central"), self.path, self.command, XFCC)).encode()
        self.send_response(503 if self.path == "/fail" else 200)
        self.send_header("x-endpoint", name)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    Server.count = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_the_callers_identity_is_taken_from_the_header() -> None:
    assert from_header(XFCC, "URI") == "spiffe://us-east.acme.mesh/ns/shop/sa/client"
    assert from_header(XFCC, "By") == "spiffe://eu-central.acme.mesh/ns/isthmus/sa/gateway"
    assert from_header(None, "URI") is None and from_header("junk", "URI") is None
    assert "spiffe" not in answer(POD, "/", "GET", None)


def test_a_request_tells_who_answered_and_who_was_seen(url: str) -> None:
    one = Client(Asked(f"{url}/x")).request()
    assert (one.ok, one.status, one.endpoint, one.address) == (True, 200, "web-1", "127.0.0.1")
    assert (one.service, one.member) == ("web", "eu-central")
    assert one.spiffe == "spiffe://us-east.acme.mesh/ns/shop/sa/client" and one.ms > 0


def test_requests_stop_at_the_wanted_endpoint(url: str) -> None:
    found = list(results(Client(Asked(url)), Bounds(deadline=10, until="web-3")))
    assert [one.endpoint for one in found] == ["web-1", "web-2", "web-3"]


def test_method_and_host_are_sent_as_asked(url: str) -> None:
    argv = ["client", url, "--method", "POST", "--host", "shop.example.test"]
    assert CliRunner().invoke(command, argv).exit_code == 0
    assert Server.seen == ("POST", "shop.example.test")
    assert CliRunner().invoke(command, ["client", url, "--open", "--rate", "50", "--count", "2"]).exit_code == 0
    assert Server.seen == ("GET", url.removeprefix("http://")) and Server.count == 3


def test_failures_are_results(url: str) -> None:
    failed = Client(Asked(f"{url}/fail")).request()
    assert (failed.ok, failed.status) == (False, 503) and failed.error
    refused = Client(Asked("http://127.0.0.1:1/", timeout=1)).request()
    assert (refused.ok, refused.status) == (False, 0) and refused.error.startswith("ConnectionRefusedError")


def test_the_command_prints_one_json_line_a_request(url: str) -> None:
    done = CliRunner().invoke(command, ["client", url, "--count", "2", "--parallel", "3", "--keep"])
    assert done.exit_code == 0
    assert len([json.loads(line) for line in done.stdout.splitlines()]) == 6
    assert CliRunner().invoke(command, ["client", f"{url}/fail"]).exit_code == 1


@pytest.mark.parametrize(
    ("wanted", "status", "text", "healthy"),
    [
        ("false", 200, "web-1 says that it is unwell\n", False),
        ("true", 200, "web-1 says that it is well\n", True),
        ("no", 400, 'ok must be "true" or "false", not \'no\'\n', True),
        (None, 400, 'ok must be "true" or "false", not None\n', True),
    ],
)
def test_a_pod_is_told_how_it_is(wanted: str | None, status: int, text: str, healthy: bool) -> None:
    pod = Pod("web", "web-1", "10.1.1.11", "us-east")
    assert (switched(pod, wanted), pod.healthy) == ((status, text), healthy)


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["ftp://x/"], 'E186 URL "ftp://x/": must be http://HOST[:PORT][/PATH]'),
        (
            ["http://x/", "--count", "0"],
            "E186 --count 0 needs --deadline or --until-endpoint, or it would never end",
        ),
        (["http://x/", "--open"], "E186 --open needs --rate, and has no --parallel and no --until-endpoint"),
        (
            ["http://x/", "--open", "--rate", "9", "--parallel", "2"],
            "E186 --open needs --rate, and has no --parallel and no --until-endpoint",
        ),
    ],
)
def test_bad_arguments_are_one_line(argv: list[str], line: str) -> None:
    done = CliRunner().invoke(command, ["client", *argv])
    assert (done.exit_code, done.stderr) == (2, f"isthmus: {line}\n")

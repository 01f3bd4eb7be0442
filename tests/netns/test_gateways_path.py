"""Two members with real agents and Envoys: what passes, what is refused, what comes back."""

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from msgspec import Struct, structs

from federation.link.leaf import Leaf, save_leaf
from federation.model.confine import Callee, Confined
from federation.model.handout import Listener, Workload
from federation.model.names import ServiceKey
from federation.model.record import Endpoint
from tests.netns.gateways_world import CLIENT, POD, PORT, STRANGER, URL, WEST_UNDERLAY, GatewaysWorld
from tests.netns.spaces import await_true, fetch
from tests.worlds.agent_folder import keep_handout
from tests.worlds.two_members import (
    candidate,
    keyed,
    peer,
    real,
    web_import,
    web_pool,
)

pytestmark = pytest.mark.netns

ENTRANCE = "fd49:7374:0:2::1"


@pytest.fixture(scope="module")
def world() -> Iterator[GatewaysWorld]:
    made = GatewaysWorld()
    try:
        made.build()
        made.start()
        made.wait_until_serving()
        yield made
    finally:
        made.remove()


def hand_out(world: GatewaysWorld, name: str, values: dict[str, Struct]) -> None:
    """Give an agent another handout: stop it, put the handout on its disk, start it. Its Envoy goes on."""
    own = world.us if name.startswith("e") else world.eu
    assert world.programs.stop(world.started[name]) == 0
    keep_handout(world.root / name, own, values, 2)
    world.agent(name)
    await_true("the agent has all in force", lambda: measured(world, name, "isthmus_agent_passes_total"))


def measured(world: GatewaysWorld, name: str, metric: str) -> float:
    """A metric of an agent; 0 while it does not answer."""
    space = world.east if name.startswith("e") else world.west
    status, body = fetch(space, f"http://{world.metrics[name]}/metrics")
    found = re.search(rf"^{re.escape(metric)} (\S+)$", body.get("text", ""), re.M)
    return float(found[1]) if status == 200 and found else 0.0


def ask_admin(world: GatewaysWorld, name: str, path: str) -> str:
    """What Envoy's admin interface answers on its unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as admin:
        admin.connect(str(world.root / name / "envoy-admin.sock"))
        admin.sendall(f"GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: admin.recv(65536), b"")).decode()


def restart_envoy(world: GatewaysWorld, name: str) -> None:
    """A fresh Envoy, without connections."""
    world.programs.stop(world.started[f"{name}-envoy"])
    world.envoy(name)


def in_force(world: GatewaysWorld, name: str) -> bool:
    return measured(world, name, "isthmus_agent_in_force") == 1.0


def pem(world: GatewaysWorld, word: str, leaf: Leaf) -> str:
    path = world.root / f"{word}.pem"
    path.write_text(leaf.key + leaf.chain)
    return str(path)


def probe(world: GatewaysWorld, certificate: str, sni: str = "http.web.shop") -> str:
    script = str(Path(__file__).with_name("tls_probe.py"))
    return world.east.run(sys.executable, script, ENTRANCE, "15443", sni, certificate).strip()


def test_a_request_passes_both_envoys_with_the_workloads_identity(world: GatewaysWorld) -> None:
    status, body = fetch(world.east, URL, CLIENT)
    assert (status, body["pod"], body["host"]) == (200, "pod-1", "10.96.0.1")
    assert "URI=spiffe://us-east.acme.mesh/ns/default/sa/client" in body["x-forwarded-client-cert"]


def test_kernel_and_envoy_hold_the_whole_handout(world: GatewaysWorld) -> None:
    for name in ("en", "wg"):
        await_true(f"{name} has all in force", lambda name=name: in_force(world, name))  # type: ignore[misc]


def test_show_says_what_wg_says_as_wg_quick_reads_it(world: GatewaysWorld, tmp_path: Path) -> None:
    isthmus, state = str(Path(sys.executable).with_name("isthmus")), str(world.root / "eg")
    (view,) = json.loads(world.east.run(isthmus, "gateway", "show", "--state", state, "--output", "json"))
    interface, dumped = (line.split("\t") for line in world.east.run("wg", "show", view["device"], "dump").splitlines())
    (peer,) = view["peers"]
    assert (view["key"], view["port"]) == (interface[1], int(interface[2]))
    assert (peer["key"], peer["endpoint"], ",".join(peer["allowed"])) == (dumped[0], dumped[2], dumped[3])
    assert (peer["member"], peer["gateway"], peer["state"], peer["mtu"]) == ("eu-central", 1, "up", 1420)
    text = world.east.run(isthmus, "gateway", "show", "--state", state)
    assert interface[0] not in text
    (file := tmp_path / "ist0.conf").write_text(text)
    stripped = world.east.run("wg-quick", "strip", str(file))
    assert {f"PublicKey = {dumped[0]}", f"Endpoint = {dumped[2]}"} <= set(stripped.splitlines())


def verified(world: GatewaysWorld, name: str, *options: str) -> "subprocess.CompletedProcess[str]":
    space = world.east if name.startswith("e") else world.west
    command = [str(Path(sys.executable).with_name("isthmus")), "gateway", "verify", "--state", str(world.root / name)]
    return subprocess.run(
        ["ip", "netns", "exec", space.name, *command, *options], capture_output=True, text=True, timeout=60, check=False
    )


def test_verify_finds_the_link_good_and_a_door_that_is_closed(world: GatewaysWorld) -> None:
    done = verified(world, "eg")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(": ")[1] for line in lines] == ["handshake", "echo", "size", "fragments", "door"]
    assert all(line.startswith("ok      eu-central gateway 1: ") for line in lines), done.stdout
    assert "ok      eu-central gateway 1: size: packets of 1420 bytes get there whole" in lines
    back = verified(world, "wg", "--output", "json")
    assert back.returncode == 0, back.stdout
    assert [one["verdict"] for one in json.loads(back.stdout)] == ["ok", "ok", "ok", "ok", "skipped"]
    none = verified(world, "eg", "--member", "mars")
    assert (none.returncode, none.stderr.strip()) == (
        2,
        'isthmus: E104 --member "mars": no link to it; members with links: eu-central',
    )


def test_a_workload_without_identity_does_not_leave_its_member(world: GatewaysWorld) -> None:
    assert fetch(world.east, URL, STRANGER)[0] == 0


def test_a_header_cannot_forge_an_identity(world: GatewaysWorld) -> None:
    forged = "x-forwarded-client-cert=URI=spiffe://us-east.acme.mesh/ns/isthmus/sa/controller"
    shown = fetch(world.east, URL, CLIENT, header=forged)[1]["x-forwarded-client-cert"]
    assert "sa/controller" not in shown and "sa/client" in shown


def test_the_entrance_admits_a_peers_workload(world: GatewaysWorld) -> None:
    client = pem(world, "good", world.us.leaf(world.us.identity("default", "client")))
    assert probe(world, client) == "HTTP/1.1 200 OK"


def test_a_wrong_server_name_is_closed(world: GatewaysWorld) -> None:
    client = pem(world, "good", world.us.leaf(world.us.identity("default", "client")))
    assert probe(world, client, "http.wiki.shop").startswith("refused")
    assert probe(world, client, "web.shop").startswith("refused")


def test_no_certificate_is_refused(world: GatewaysWorld) -> None:
    assert probe(world, "-").startswith("refused")


def test_an_identity_of_an_unknown_member_is_refused(world: GatewaysWorld) -> None:
    stranger = real("ap-south")
    leaf = stranger.leaf(stranger.identity("default", "client"))
    assert probe(world, pem(world, "unknown", leaf)).startswith("refused")


def test_an_anchor_cannot_speak_for_another_member(world: GatewaysWorld) -> None:
    forger = structs.replace(world.us, name="eu-central")
    leaf = forger.leaf(forger.identity("default", "client"))
    assert probe(world, pem(world, "forged", leaf)).startswith("refused")


def test_a_peers_identity_from_another_peers_tunnel_is_refused(world: GatewaysWorld) -> None:
    third = real("ap-south")
    before = world.west_gateway()
    hand_out(world, "wg", {**before, **keyed(peer(third, "10.99.0.9:51820"))})
    await_true("the gateway knows three members", lambda: in_force(world, "wg"))
    own = pem(world, "good", world.us.leaf(world.us.identity("default", "client")))
    other = pem(world, "third", third.leaf(third.identity("default", "client")))
    await_true("the entrance is up", lambda: probe(world, own) == "HTTP/1.1 200 OK")
    assert probe(world, other).startswith("refused")
    hand_out(world, "wg", before)
    world.wait_until_serving()


def test_a_resource_that_envoy_refuses_leaves_the_rest_serving(world: GatewaysWorld) -> None:
    bad = structs.replace(
        web_import(candidate(world.eu, 1, 1)), service=ServiceKey("shop", "wiki"), addresses=("10.96.0.2",)
    )
    port = Listener(name="http", port=80, protocol="TCP", app_protocol="http", listener=70_000)
    before = world.east_node()
    hand_out(world, "en", {**before, "import/shop/wiki": structs.replace(bad, ports=(port,))})
    await_true("the refusal is told", lambda: "envoy refuses Listener out/shop/wiki/http" in world.log("en"))
    assert fetch(world.east, URL, CLIENT)[0] == 200
    assert not in_force(world, "en")
    hand_out(world, "en", {**before, "import/shop/wiki": bad_with_port(bad, 16002)})
    await_true("the mended service answers", lambda: fetch(world.east, "http://10.96.0.2/", CLIENT)[0])


def bad_with_port(item: Struct, listener: int) -> Struct:
    port = Listener(name="http", port=80, protocol="TCP", app_protocol="http", listener=listener)
    return structs.replace(item, ports=(port,))


def test_local_endpoints_come_first_and_the_rest_goes_abroad(world: GatewaysWorld) -> None:
    local = "10.1.0.50"
    world.east.ip("address", "add", f"{local}/32", "dev", "lo")
    world.programs.start(
        world.east, "pod-local", sys.executable, str(Path(__file__).with_name("pod.py")), "local", local, "8080"
    )
    web = web_import(candidate(world.us, 1, 2, 0), candidate(world.eu, 1, 1, 90))
    pool = web_pool(Endpoint(local), Endpoint("10.1.0.51", "unready"))
    values = {**world.east_node(), **keyed(web, pool)}
    hand_out(world, "en", values)
    await_true("all in force", lambda: in_force(world, "en"))
    pods = [fetch(world.east, URL, CLIENT)[1].get("pod") for _ in range(60)]
    assert set(pods) == {"local", "pod-1"} and 30 <= pods.count("local") <= 54
    status, body = fetch(world.east, URL, STRANGER)
    assert (status, body["pod"]) == (200, "local")
    hand_out(world, "en", world.east_node())


def test_whoever_an_egress_policy_keeps_stays_at_home(world: GatewaysWorld) -> None:
    """At once, on connections that stand as well; and what another policy adds lets him out again."""
    kept = Confined(namespace="default", name="kept", accounts=("client",))
    free = structs.replace(kept, name="free", services=(Callee("shop", "web"),))
    before = world.east_node()
    assert fetch(world.east, URL, CLIENT)[0] == 200
    hand_out(world, "en", {**before, **keyed(kept)})
    await_true("all in force", lambda: in_force(world, "en"))
    assert fetch(world.east, URL, CLIENT)[0] == 0
    hand_out(world, "en", {**before, **keyed(web_pool(Endpoint("10.1.0.50")), kept)})
    await_true("his own endpoints answer", lambda: fetch(world.east, URL, CLIENT)[1].get("pod") == "local")
    hand_out(world, "en", {**before, **keyed(kept, free)})
    await_true("he is let out", lambda: fetch(world.east, URL, CLIENT)[1].get("pod") == "pod-1")
    hand_out(world, "en", before)


def test_when_all_local_endpoints_refuse_the_member_that_stands_by_serves_every_request(world: GatewaysWorld) -> None:
    """The law says 100 % local: Kubernetes calls the endpoint ready, but nobody listens there."""
    dead = "10.1.0.60"
    world.east.ip("address", "add", f"{dead}/32", "dev", "lo")
    web = web_import(candidate(world.us, 1, 1, 0), candidate(world.eu, 1, 1, 90))
    hand_out(world, "en", {**world.east_node(), **keyed(web, web_pool(Endpoint(dead)))})
    await_true("all in force", lambda: in_force(world, "en"))
    answers = [fetch(world.east, URL, CLIENT) for _ in range(100)]
    assert [status for status, _ in answers] == [200] * 100
    assert {body["pod"] for _, body in answers} == {"pod-1"}
    hand_out(world, "en", world.east_node())


def test_a_peer_finds_only_the_entrance(world: GatewaysWorld) -> None:
    world.programs.start(
        world.west, "open", sys.executable, str(Path(__file__).with_name("pod.py")), "open", ENTRANCE, "8081"
    )
    await_true("the open port answers at home", lambda: fetch(world.west, f"http://[{ENTRANCE}]:8081/")[0])
    scan = (
        "import socket,sys\n"
        "for port in (22, 8080, 8081, 10901, 15443, 16001, 51820):\n"
        "    try:\n"
        "        socket.create_connection((sys.argv[1], port), 0.5).close()\n"
        "        print(port)\n"
        "    except OSError:\n"
        "        pass\n"
    )
    assert world.east.run(sys.executable, "-c", scan, ENTRANCE).split() == ["15443"]
    assert fetch(world.east, f"http://{POD}:8080/")[0] == 0


def test_what_a_hand_flushed_comes_back(world: GatewaysWorld) -> None:
    device = next(line.split(":")[1].strip() for line in world.west.ip("-o", "link").splitlines() if ": ist" in line)
    world.west.run("nft", "delete", "table", "inet", "isthmus_gateway")
    world.west.ip("-6", "route", "flush", "dev", device, "proto", "157")
    key = world.west.run("wg", "show", device, "peers").strip()
    world.west.run("wg", "set", device, "peer", key, "remove")
    await_true("the peer", lambda: world.west.run("wg", "show", device, "peers").strip() == key)
    await_true("the table", lambda: "isthmus_gateway" in world.west.run("nft", "list", "tables"))
    await_true("the route", lambda: "fd49:7374:0:1::/64" in world.west.ip("-6", "route"))
    world.wait_until_serving()


def test_other_tables_and_devices_are_left_alone(world: GatewaysWorld) -> None:
    world.east.run("nft", "add", "table", "inet", "isthmus_node_but_not_ours")
    world.east.run("nft", "add", "table", "ip", "isthmus_node")
    hand_out(world, "en", world.east_node())
    assert {"table inet isthmus_node_but_not_ours", "table ip isthmus_node"} <= set(
        world.east.run("nft", "list", "tables").splitlines()
    )


def test_everything_killed_and_restarted_serves_from_disk(world: GatewaysWorld) -> None:
    for name in ("eg", "en", "wg", "en-envoy", "wg-envoy"):
        world.programs.stop(world.started[name], signal.SIGKILL)
    for name in ("eg", "en", "wg"):
        world.agent(name)
    for name in ("en", "wg"):
        world.envoy(name)
    assert world.wait_until_serving()["pod"] == "pod-1"


def test_a_rotated_certificate_is_taken_without_a_lost_request(world: GatewaysWorld) -> None:
    identity = world.us.identity("default", "client")
    leaf = world.us.leaf(identity)
    serial = f"{x509.load_pem_x509_certificate(leaf.chain.encode()).serial_number:x}"
    world.programs.stop(world.started["en"])
    save_leaf(world.root / "en" / "svid" / f"{'.'.join(identity.segments)}.json", leaf)
    world.agent("en")

    def rotated() -> bool:
        assert fetch(world.east, URL, CLIENT)[0] == 200
        return serial in ask_admin(world, "en", "/certs")

    await_true("Envoy holds the new certificate", rotated)
    assert fetch(world.east, URL, CLIENT)[0] == 200


def test_an_unknown_workload_of_a_known_member_acts_as_itself(world: GatewaysWorld) -> None:
    values = {**world.east_node(), **keyed(Workload("default", "other", (STRANGER,)))}
    other = world.us.identity("default", "other")
    save_leaf(world.root / "en" / "svid" / f"{'.'.join(other.segments)}.json", world.us.leaf(other))
    hand_out(world, "en", values)
    await_true("the new workload is served", lambda: fetch(world.east, URL, STRANGER)[0] == 200)
    assert "sa/other" in fetch(world.east, URL, STRANGER)[1]["x-forwarded-client-cert"]
    assert "sa/client" in fetch(world.east, URL, CLIENT)[1]["x-forwarded-client-cert"]


def test_a_gateway_that_lies_about_its_member_is_not_believed(world: GatewaysWorld) -> None:
    """The node pins the member's gateway identity: another anchor behind the same tunnel is refused."""
    impostor = real("eu-central")
    values = {
        **world.east_node(),
        **keyed(peer(structs.replace(impostor, seed=world.eu.seed), f"{WEST_UNDERLAY}:{PORT}")),
    }
    restart_envoy(world, "en")
    hand_out(world, "en", values)
    await_true("the request fails", lambda: fetch(world.east, URL, CLIENT)[0] == 503)
    hand_out(world, "en", world.east_node())
    world.wait_until_serving()


def test_the_last_gateway_is_not_left_out_when_it_fails(world: GatewaysWorld) -> None:
    """Its Envoy starts again: requests fail meanwhile, and the next one after that does not."""
    world.programs.stop(world.started["wg-envoy"], signal.SIGKILL)
    failed = [fetch(world.east, URL, CLIENT)[0] for _ in range(6)]
    assert set(failed) == {503}
    world.envoy("wg")
    await_true("its door is open", lambda: f"[{ENTRANCE}]:15443" in world.west.run("ss", "-Hltn"), 20)
    assert fetch(world.east, URL, CLIENT)[0] == 200


def test_stopping_leaves_the_data_path_and_clean_removes_it(world: GatewaysWorld) -> None:
    for name in ("eg", "en", "wg"):
        assert world.programs.stop(world.started[name]) == 0
    assert fetch(world.east, URL, CLIENT)[0] == 200
    for name in ("eg", "en"):
        done = world.programs.isthmus(world.east, "clean", "agent", "clean", "--state", str(world.root / name))
        assert done.wait(20) == 0, world.log("clean")
    assert "table inet isthmus_node\n" not in world.east.run("nft", "list", "tables")
    assert "isthmus_gateway" not in world.east.run("nft", "list", "tables")
    assert ": ist" not in world.east.ip("-o", "link")

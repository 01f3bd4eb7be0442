from pathlib import Path

from federation.lab import programs
from federation.lab.topology import AWAY, HOME, LAB

ROOT = Path("/lab")
EAST, EU = LAB.member(HOME), LAB.member(AWAY)


def test_the_first_member_founds_and_the_others_join() -> None:
    assert " ".join(programs.init(LAB, ROOT)) == (
        "init --state /lab/us-east/state --domain acme.mesh --name us-east --region us-east --az us-east-1a "
        "--reachable 10.1.0.0/16 --clusterset 10.101.0.0/16 --sync 192.0.2.1:7443 "
        "--ingress 192.0.2.101 --nameserver 192.0.2.1 --dns-zone example.test"
    )
    assert " ".join(programs.request(LAB, EU, ROOT, "sha256:x")) == (
        "member request --state /lab/eu-central/state --domain acme.mesh --federation sha256:x "
        "--name eu-central --region eu-central --az eu-central-1a --reachable 10.3.0.0/16 "
        "--clusterset 10.103.0.0/16 --sync 192.0.2.3:7443 "
        "--ingress 192.0.2.103 --nameserver 192.0.2.3 --out /lab/eu-central/request"
    )
    assert " ".join(programs.admit(LAB, EU, ROOT)) == (
        "member admit --state /lab/us-east/state --request /lab/eu-central/request --ledger /lab/eu-central/ledger "
        "--dns-zone example.test"
    )


def test_only_the_node_agent_has_workloads_and_only_the_gateway_an_underlay() -> None:
    assert programs.enroll(EAST, ROOT, "node")[9:] == (
        *("--workload", "shop/client=10.1.2.10", "--workload", "shop/ingress=10.1.3.10"),
        *("--out", "/lab/us-east/node"),
    )
    assert "--workload" not in programs.enroll(EAST, ROOT, "gw")
    found = {one.name: one.argv for one in programs.data_path("a1b2", EAST, ROOT)}
    assert list(found) == [
        "us-east-gateway-agent",
        "us-east-gateway-envoy",
        "us-east-node-agent",
        "us-east-node-envoy",
        "us-east-dns",
    ]
    assert found["us-east-gateway-agent"][-2:] == ("--underlay", "192.0.2.1:51820")
    assert "--underlay" not in found["us-east-node-agent"]


def test_no_two_programs_of_a_machine_share_a_metrics_port() -> None:
    wanted = (programs.controller("a1b2", EAST, ROOT), *programs.data_path("a1b2", EAST, ROOT))
    ports = [one.argv[one.argv.index("--metrics") + 1] for one in wanted if "--metrics" in one.argv]
    assert len(ports) == len(set(ports)) == 4


def test_the_wan_has_half_the_round_trip_in_each_direction() -> None:
    argv = programs.wan("a1b2", LAB, ROOT / "wan.sock", None).argv
    assert [argv[i + 1] for i, word in enumerate(argv) if word == "--delay"] == [
        "us-east:us-west:30",
        "us-east:eu-central:45",
        "us-west:us-east:30",
        "us-west:eu-central:70",
        "eu-central:us-east:45",
        "eu-central:us-west:70",
    ]
    assert "us-east:eu-central:0" in programs.wan("a1b2", LAB, ROOT / "wan.sock", 0).argv


def test_pods_of_both_services_run_in_one_process_and_the_ingress_in_its_own() -> None:
    web, ingress = programs.pods("a1b2", EU)
    assert (web.name, web.namespace, web.argv.count("--pod")) == ("eu-central-web", "ist-a1b2-eu-central-web", 10)
    assert " ".join(web.argv).endswith("--pod pay eu-central-pay-2 10.3.1.32")
    assert (ingress.name, ingress.namespace) == ("eu-central-ingress", "ist-a1b2-eu-central-ingress")
    assert " ".join(ingress.argv) == "ingress --address 192.0.2.103 --port 80 --to web.shop.svc.clusterset.local:80"


def test_dns_servers_listen_to_pods_and_to_the_outside_and_know_where_both_stand() -> None:
    dns = programs.data_path("a1b2", EU, ROOT)[-1].argv
    assert " ".join(dns).startswith(
        "dns serve --state /lab/eu-central/dns --listen 10.3.0.1:53 --listen 192.0.2.3:53 --subnets /lab/eu-central/subnets"
    )
    assert programs.subnet_lines(LAB).splitlines()[2:4] == ["10.2.0.0/16 us-west", "192.0.2.2/32 us-west"]


def test_a_controller_watches_manifests_or_its_members_api_server() -> None:
    folder = programs.controller("a1b2", EAST, ROOT).argv
    assert folder[folder.index("--manifests") + 1] == "/lab/us-east/manifests"
    api = programs.controller("a1b2", EAST, ROOT, kubernetes=True).argv
    assert api[api.index("--kubeconfig") + 1] == "/lab/us-east/kubeconfig"
    assert "--manifests" not in api

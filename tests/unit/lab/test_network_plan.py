from federation.lab import netns
from federation.lab.topology import LAB, topology_of


def test_names_bear_the_labs_id_and_fit_what_is_removed() -> None:
    names = netns.names("a1b2", LAB)
    assert names == (
        "ist-a1b2-wan",
        *(
            f"ist-a1b2-{member}{place}"
            for member in ("us-east", "us-west", "eu-central")
            for place in ("", "-web", "-client", "-ingress")
        ),
    )
    assert {space.name for space in netns.plan("a1b2", LAB).spaces} == set(names)
    assert all(name.startswith(netns.prefix("a1b2")) for name in names)


def test_device_names_fit_the_kernel() -> None:
    words = " ".join(netns.plan("a1b2", LAB).links).split()
    devices = [words[i + 1] for i, word in enumerate(words) if word in ("add", "name")]
    assert devices and all(len(device) <= 15 for device in devices)


def test_a_machine_routes_between_the_wan_and_its_pods() -> None:
    machine = next(space for space in netns.plan("a1b2", LAB).spaces if space.name == "ist-a1b2-eu-central")
    assert ("net/ipv4/ip_forward", "1") in machine.sysctls
    assert "addr add 192.0.2.3/24 dev wan0" in machine.lines
    assert "addr add 10.3.0.1/16 dev pods" in machine.lines


def test_offloads_are_off_at_both_ends_of_every_wan_line() -> None:
    ends = {(f"ist-a1b2-{name}", "wan0") for name in LAB.names} | {("ist-a1b2-wan", name) for name in LAB.names}
    assert set(netns.plan("a1b2", LAB).offloads) == ends


def test_public_addresses_are_routed_to_the_ingress_pod_and_between_members() -> None:
    spaces = {space.name: space for space in netns.plan("a1b2", LAB).spaces}
    assert "addr add 192.0.2.103/32 dev lo" in spaces["ist-a1b2-eu-central-ingress"].lines
    assert {line for line in spaces["ist-a1b2-eu-central"].lines if line.startswith("route add")} == {
        "route add 192.0.2.103/32 via 10.3.3.10",
        "route add 192.0.2.101/32 via 192.0.2.1",
        "route add 192.0.2.102/32 via 192.0.2.2",
    }


def test_pods_go_out_under_their_machines_address() -> None:
    rulesets = {space.name: space.nft for space in netns.plan("a1b2", LAB).spaces if space.nft}
    assert sorted(rulesets) == ["ist-a1b2-eu-central", "ist-a1b2-us-east", "ist-a1b2-us-west"]
    assert "ip saddr 10.3.0.0/16 oifname wan0 masquerade" in rulesets["ist-a1b2-eu-central"]


def test_client_and_ingress_pods_ask_their_members_dns_server() -> None:
    resolv = dict(netns.plan("a1b2", LAB).resolv)
    text = "search .\nnameserver 10.3.0.1\noptions timeout:2 attempts:2\n"
    assert resolv["ist-a1b2-eu-central-client"] == resolv["ist-a1b2-eu-central-ingress"] == text


def test_an_api_server_has_a_namespace_of_its_own_on_the_pods_bridge() -> None:
    names = netns.names("a1b2", LAB, kubernetes=True)
    spaces = {space.name: space for space in netns.plan("a1b2", LAB, kubernetes=True).spaces}
    assert set(spaces) == set(names) == {*netns.names("a1b2", LAB), *(f"ist-a1b2-{name}-api" for name in LAB.names)}
    assert "addr add 10.3.4.10/16 dev eth0" in spaces["ist-a1b2-eu-central-api"].lines
    assert "link set pod-api master pods up" in spaces["ist-a1b2-eu-central"].lines
    assert not any("pod-api" in line for space in netns.plan("a1b2", LAB).spaces for line in space.lines)


def test_a_second_gateway_stands_on_the_wan_and_on_its_members_pods_bridge() -> None:
    planned = netns.plan("a1b2", topology_of(True))
    spaces = {space.name: space for space in planned.spaces}
    assert (
        set(spaces) == set(netns.names("a1b2", topology_of(True))) == {*netns.names("a1b2", LAB), "ist-a1b2-us-west-2"}
    )
    assert "addr add 192.0.2.12/24 dev wan0" in spaces["ist-a1b2-us-west-2"].lines
    assert "addr add 10.2.0.2/16 dev eth0" in spaces["ist-a1b2-us-west-2"].lines
    assert "link set pod-second master pods up" in spaces["ist-a1b2-us-west"].lines
    assert "link set us-west-2 up promisc on" in spaces["ist-a1b2-wan"].lines
    assert {("ist-a1b2-us-west-2", "wan0"), ("ist-a1b2-wan", "us-west-2")} < set(planned.offloads)

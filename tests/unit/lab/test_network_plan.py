from federation.lab import netns
from federation.lab.topology import LAB


def test_names_bear_the_labs_id_and_fit_what_is_removed() -> None:
    names = netns.names("a1b2", LAB)
    assert names == (
        "ist-a1b2-wan",
        "ist-a1b2-us-east",
        "ist-a1b2-us-east-web",
        "ist-a1b2-us-east-client",
        "ist-a1b2-eu-central",
        "ist-a1b2-eu-central-web",
        "ist-a1b2-eu-central-client",
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
    assert "addr add 192.0.2.2/24 dev wan0" in machine.lines
    assert "addr add 10.2.0.1/16 dev pods" in machine.lines


def test_offloads_are_off_at_both_ends_of_every_wan_line() -> None:
    assert set(netns.plan("a1b2", LAB).offloads) == {
        ("ist-a1b2-us-east", "wan0"),
        ("ist-a1b2-wan", "us-east"),
        ("ist-a1b2-eu-central", "wan0"),
        ("ist-a1b2-wan", "eu-central"),
    }


def test_client_pods_ask_their_members_dns_server() -> None:
    assert netns.plan("a1b2", LAB).resolv[1] == (
        "ist-a1b2-eu-central-client",
        "search .\nnameserver 10.2.0.1\noptions timeout:2 attempts:2\n",
    )

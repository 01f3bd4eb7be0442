"""Who else shapes packets on this machine: the cluster's network (CNI), kube-proxy, firewalls; and what each needs of
its owner. Pure but for `surroundings_of`, which reads below a root.
"""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec import Struct

from gateways.kernel.nft import BaseChain
from gateways.machine import is_strict
from gateways.render.nft import GATEWAY_TABLE, NODE_TABLE
from gateways.verify import Check, Verdict

NETWORKS = "etc/cni/net.d"
"""A kubelet's container runtime takes the first of these by name (CNI specification, libcni)."""

HIDDEN = "leave its masqueradeAll off, which hides the pods' addresses by which they are known"


class Surroundings(Struct, frozen=True, kw_only=True):
    """What was read: the plugin of the cluster's network as its file calls it ("": no file), whether kube-proxy's IPVS
    device is there, the devices of default routes that drop what would be answered elsewhere (rp_filter 1), the base
    chains of everybody.
    """

    network: str = ""
    ipvs: bool = False
    strict: tuple[str, ...] = ()
    chains: tuple[BaseChain, ...] = ()


NEEDS: dict[str, tuple[Verdict, str]] = {
    "flannel": ("ok", "Flannel: nothing to do"),
    "kindnet": ("ok", "kindnet: nothing to do"),
    "calico": (
        "warning",
        "Calico drops what pods send to their own node where FelixConfiguration says so by default, and a node's proxy "
        "listens there: set defaultEndpointToHostAction to Accept; where there are host endpoints, let the UDP ports "
        "of links in by a policy",
    ),
    "cilium": (
        "warning",
        "Cilium: leave devices ist+ out of its `devices`, or it takes what links carry for its own; with its host "
        "firewall, let the UDP ports of links in",
    ),
}
"""By the canonical name of the plugin."""

NAMES = {"cilium-cni": "cilium", "calico": "calico", "flannel": "flannel"}


def surroundings_of(root: Path, underlay: Iterable[str], chains: Iterable[BaseChain]) -> Surroundings:
    """What this machine's files say, for these devices of default routes; of a container, its network namespace's."""
    return Surroundings(
        network=_network(root / NETWORKS),
        ipvs=(root / "sys/class/net/kube-ipvs0").exists(),
        strict=tuple(name for name in underlay if is_strict(root / "proc/sys/net", name)),
        chains=tuple(sorted(chains)),
    )


def surrounding(found: Surroundings, ports: str, forwards: bool) -> Iterable[Check]:
    """What follows. `ports` are the UDP ports of links in words; `forwards` when nodes' packets cross this machine."""
    yield Check("machine", "rp_filter", *_strict(found.strict))
    yield Check("machine", "network", *_needs(found))
    yield Check("machine", "kube-proxy", *_proxy(found))
    yield Check("machine", "firewall", *_firewall(found.chains, ports, forwards))


def _strict(devices: Sequence[str]) -> tuple[Verdict, str]:
    if len(devices) < 2:
        return "ok", "links carry IPv6, which it does not look at, and the underlay has one way out"
    names = " ".join(f"net.ipv4.conf.{name}.rp_filter=2" for name in devices)
    return "warning", f"strict, with several default routes: packets of peers may be dropped; run `sysctl -w {names}`"


def _needs(found: Surroundings) -> tuple[Verdict, str]:
    if not found.network:
        return "ok", f"no cluster's network in /{NETWORKS}"
    known = NEEDS.get(NAMES.get(found.network, found.network))
    if known is not None:
        return known
    what = "pods must reach their own node's --address under their own source addresses"
    return "warning", f'"{found.network}" is not one that we know: {what}'


def _proxy(found: Surroundings) -> tuple[Verdict, str]:
    mode = _mode(found)
    if mode:
        return "ok", f"captures clusterset IPs ({mode}); {HIDDEN}"
    if not found.network:
        return "ok", "none; clusterset IPs are captured by the node's own table"
    if NAMES.get(found.network) == "cilium":
        return "ok", "none; Cilium in its place captures clusterset IPs"
    return "warning", "none was seen: is there one, or another that captures the cluster's service addresses?"


def _mode(found: Surroundings) -> str:
    if found.ipvs:
        return "ipvs"
    tables = {chain.table for chain in found.chains}
    if "kube-proxy" in tables:
        return "nftables"
    return "iptables" if any(chain.services for chain in found.chains) else ""


def _firewall(chains: Sequence[BaseChain], ports: str, forwards: bool) -> tuple[Verdict, str]:
    hooks = ("input", "forward") if forwards else ("input",)
    drops = [one for one in chains if one.drops and one.hook in hooks and one.table not in (GATEWAY_TABLE, NODE_TABLE)]
    if not drops:
        return "ok", f"no table of another drops at {' or '.join(hooks)} by default"
    where = ", ".join(f"{one.family} {one.table} {one.chain}" for one in drops)
    let = f"UDP {ports} in" if all(one.hook == "input" for one in drops) else f"UDP {ports} in and devices ist+ across"
    return "warning", f"what no rule accepts is dropped by {where}: let {let}"


def _network(folder: Path) -> str:
    with suppress(OSError):
        for path in sorted(folder.iterdir()):
            if path.suffix in (".conf", ".conflist", ".json") and (name := _plugin(path)):
                return name
    return ""


def _plugin(path: Path) -> str:
    """The first plugin of the list; kindnet's is the plain `ptp`, in a list of its name."""
    try:
        said: Any = json.loads(path.read_text())
        first = said["plugins"][0] if "plugins" in said else said
        return "kindnet" if said.get("name") == "kindnet" else str(first["type"])
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError):
        return ""

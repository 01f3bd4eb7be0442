"""Steps as the commands that a person would type: for `agent render` and for the twin. Private keys are not shown."""

import base64

from gateways.render import routes, wireguard


def wireguard_command(step: wireguard.Step) -> str:
    """The `wg` or `ip` command of this step (wg(8))."""
    match step:
        case wireguard.Create():
            return f"ip link add {step.name} type wireguard || wireguard-go {step.name}"
        case wireguard.SetDevice():
            return f"wg set {step.name} listen-port {step.port} private-key (hidden)"
        case wireguard.DropPeer():
            return f"wg set {step.name} peer {_key(step.key)} remove"
        case wireguard.SetPeer(peer=peer):
            endpoint = f" endpoint {peer.endpoint}" if peer.endpoint else ""
            secret = " preshared-key (hidden)" if peer.preshared else ""
            return (
                f"wg set {step.name} peer {_key(peer.key)}{secret}{endpoint} "
                f"persistent-keepalive {peer.keepalive} allowed-ips {','.join(peer.allowed)}"
            )


def route_command(step: routes.Step) -> str:
    """The `ip` command of this step (ip(8))."""
    match step:
        case routes.SetLink():
            return f"ip link set {step.device} mtu {step.mtu} up"
        case routes.AddAddress():
            return f"ip address add {step.address} dev {step.device}"
        case routes.DropAddress():
            return f"ip address del {step.address} dev {step.device}"
        case routes.AddRoute():
            size = f" mtu {step.route.mtu}" if step.route.mtu else ""
            return f"ip route replace {_route(step)}{size}"
        case routes.DropRoute():
            return f"ip route del {_route(step)}"
        case routes.DropLink():
            return f"ip link del {step.device}"


def rule_command(step: routes.RuleStep) -> str:
    """The `ip` command of this step (ip-rule(8))."""
    verb = "add" if isinstance(step, routes.AddRule) else "del"
    version = "-6" if step.family == "ip6" else "-4"
    return f"ip {version} rule {verb} fwmark {step.table:#x} lookup {step.table} protocol {routes.PROTOCOL}"


def _route(step: routes.AddRoute | routes.DropRoute) -> str:
    table = f" table {step.route.table}" if step.route.table else ""
    metric = f" metric {step.route.metric}" if step.route.metric else ""
    return f"{step.route.prefix} dev {step.device} proto {routes.PROTOCOL}{table}{metric}"


def _key(key: bytes) -> str:
    return base64.b64encode(key).decode()

"""`envoy --mode validate` of everything that we render, with every policy: what comes by the stream stands in the file.

A file cannot say `ads` for secrets and routes, so they, and filters, are put where they are used; nothing else is changed.
"""

import json
import subprocess
from pathlib import Path
from typing import Any, get_args

import pytest
from msgspec import structs

from federation.model import policy as limits
from federation.model.handout import Workload
from federation.model.policy import Affinity, Policy, Portion
from federation.model.record import Endpoint
from federation.model.resilience import (
    Breakers,
    Outlier,
    RateLimit,
    Resilience,
    Retries,
    RetryOn,
    SlowStart,
    Timeouts,
)
from gateways.binary import find_envoy
from gateways.intent import intend
from gateways.render.envoy.bootstrap import bootstrap
from gateways.render.envoy.common import CDS, ECDS, EDS, LDS, RDS, SDS
from gateways.render.envoy.resources import resources
from gateways.state import NodeState, Situation, Telemetry
from tests.e2e.envoy_pair import certificates
from tests.worlds.policies import EVERYTHING, FULL
from tests.worlds.two_members import DOMAIN, candidate, keyed, peer, real, site, web_import, web_offer, web_pool

Json = dict[str, Any]
US, EU = real("us-east"), real("eu-central")
EU_PEER = peer(EU, "192.0.2.2:51820")
PODS = tuple(Endpoint(f"10.1.1.{i}", "ready" if i % 2 else "unready") for i in range(1, 5))
TOLD = Telemetry(otlp="127.0.0.1:4317", access_log="/dev/null")
CLIENT = Workload("default", "client", ("10.1.0.10",))

ODD = "!#$%&'*+.^_`|~-"
"""What a token may hold beside letters and digits (RFC 9110)."""
WAIT, COUNT, SECONDS = limits.WAIT_MS.high, limits.COUNT.high, limits.SECONDS.high
LEAST = Resilience(
    timeouts=Timeouts(request=1, idle=1, connect=1),
    retries=Retries(on=("5xx",), attempts=1, per_try=1, base=1, most=1, budget=1, least=1),
    breakers=Breakers(connections=1, pending=1, requests=1),
    outlier=Outlier(errors=1, base=1, most=1, percent=1),
    slow_start=SlowStart(seconds=1, percent=1),
    rate_limit=RateLimit(rps=1, burst=1),
    connection_seconds=1,
)
MOST = Resilience(
    timeouts=Timeouts(request=WAIT, idle=WAIT, connect=WAIT),
    retries=Retries(
        on=get_args(RetryOn), attempts=limits.ATTEMPTS.high, per_try=WAIT, base=WAIT, most=1, budget=100, least=COUNT
    ),
    breakers=Breakers(connections=COUNT, pending=COUNT, requests=COUNT),
    outlier=Outlier(errors=COUNT, base=WAIT, most=1, percent=100),
    slow_start=SlowStart(seconds=SECONDS, percent=100),
    rate_limit=RateLimit(rps=limits.CAPACITY.high, burst=COUNT),
    connection_seconds=SECONDS,
)

POLICIES = {
    "least": Policy(resilience=LEAST, affinity=Affinity(by="cookie", name=ODD)),
    "most": Policy(resilience=MOST, mirror=Portion("member/eu-central", 1_000_000)),
    "odd": Policy(affinity=Affinity(by="header", name=ODD)),
    "long": Policy(affinity=Affinity(by="cookie", name="c" * limits.HEADER_MAX, seconds=86_400)),
    "none": Policy(),
    "all": structs.replace(FULL, affinity=None),
    "source": Policy(resilience=EVERYTHING, affinity=Affinity()),
    "header": Policy(affinity=Affinity(by="header", name="x-user")),
    "full": FULL,
}


def node(policy: Policy, protocol: str, *workloads: Workload) -> NodeState:
    here = Situation(node="n1", role="node", member=US.name, domain=DOMAIN, address="10.1.0.1", telemetry=TOLD)
    web = web_import(candidate(US, 2, 4, 0), candidate(EU, 2, 2, 90), app_protocol=protocol)
    imported = structs.replace(web, policy=policy)
    return intend(here, keyed(site(US), EU_PEER, imported, web_pool(*PODS), *workloads))


def proxy(policy: Policy, protocol: str) -> NodeState:
    """One Envoy for all workloads of a node."""
    return node(policy, protocol, CLIENT, Workload("shop", "robot", ("10.1.0.20", "10.1.0.21")))


def sidecar(policy: Policy, protocol: str) -> NodeState:
    """One Envoy for one workload: the same, with nobody else on it."""
    return node(policy, protocol, CLIENT)


def gateway(policy: Policy, protocol: str) -> NodeState:
    here = Situation(
        node="g1",
        role="gateway",
        member=US.name,
        domain=DOMAIN,
        address="10.1.0.1",
        device="ist0",
        private_key=US.wireguard,
        public_key=US.public_key,
        listen_port=51820,
        telemetry=TOLD,
    )
    offer = structs.replace(web_offer(protocol), policy=policy)
    return intend(here, keyed(site(US), EU_PEER, offer, web_pool(*PODS)))


SHAPES = {"node": proxy, "sidecar": sidecar, "gateway": gateway}


@pytest.mark.parametrize("protocol", ["http", ""])
@pytest.mark.parametrize("policy", sorted(POLICIES))
@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_envoy_takes_it(shape: str, policy: str, protocol: str, tmp_path: Path) -> None:
    state = SHAPES[shape](POLICIES[policy], protocol)
    assert state.problems == () and state.clusters
    code, said = validated(in_file(resources(state, certificates(US, *state.identities))), tmp_path)
    assert (code, "OK" in said) == (0, True), said


def test_envoy_does_not_take_everything(tmp_path: Path) -> None:
    """What it would refuse by the stream it refuses here."""
    state = sidecar(Policy(affinity=Affinity(by="header")), "http")
    code, said = validated(in_file(resources(state, certificates(US, *state.identities))), tmp_path)
    assert code != 0 and "HeaderName" in said


def validated(config: Json, folder: Path) -> tuple[int, str]:
    path = folder / "envoy.json"
    path.write_text(json.dumps(config))
    done = subprocess.run(
        [find_envoy(), "--mode", "validate", "-c", str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


def in_file(made: dict[str, dict[str, Json]]) -> Json:
    config: Json = bootstrap("n1", US.name, "us", "/tmp/xds.sock", "/tmp/admin.sock")
    statics = config["static_resources"]
    for cluster in made[CDS].values():
        statics["clusters"].append(_inline(_with_endpoints(cluster, made[EDS]), made))
    statics["listeners"] = [_inline(listener, made) for listener in made[LDS].values()]
    return config


def _with_endpoints(cluster: Json, assignments: dict[str, Json]) -> Json:
    if cluster["type"] != "EDS":
        return cluster
    rest = {key: value for key, value in cluster.items() if key != "eds_cluster_config"}
    return {**rest, "type": "STATIC", "load_assignment": assignments[cluster["name"]]}


def _inline(value: Any, made: dict[str, dict[str, Json]]) -> Any:
    """The same with secrets, routes and filters where the stream would bring them."""
    if isinstance(value, list):
        return [_inline(one, made) for one in value]
    if not isinstance(value, dict):
        return value
    if "config_discovery" in value:
        return made[ECDS][value["name"]]
    done: Json = {}
    for key, one in value.items():
        if key == "rds":
            done["route_config"] = _inline(made[RDS][one["route_config_name"]], made)
        elif key == "tls_certificate_sds_secret_configs":
            done["tls_certificates"] = [made[SDS][secret["name"]]["tls_certificate"] for secret in one]
        elif key in ("validation_context_sds_secret_config", "combined_validation_context"):
            done["validation_context"] = _checked(one, made[SDS])
        else:
            done[key] = _inline(one, made)
    return done


def _checked(context: Json, secrets: dict[str, Json]) -> Json:
    name = context.get("name") or context["validation_context_sds_secret_config"]["name"]
    return {**secrets[name]["validation_context"], **context.get("default_validation_context", {})}

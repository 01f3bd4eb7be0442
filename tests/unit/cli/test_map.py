"""The service map for people and for Graphviz."""

from pathlib import Path
from typing import Any

import pytest

from federation.cli.map import dot
from federation.cli.tables import print_map
from federation.model.flows import Flow, FlowReport
from federation.model.names import MemberName, ServiceKey
from federation.reconcile.map import edges, service_map
from tests.worlds.controller import World

WEB = ServiceKey("shop", "web")
US, EU = MemberName("us-east"), MemberName("eu-central")


@pytest.fixture
def answer(tmp_path: Path) -> dict[str, Any]:
    world = World(tmp_path)
    world.loop.demands.heard(
        "node1", {WEB: FlowReport(WEB, (Flow("shop/client", EU, 30_000, 500_000), Flow("", US, 500)))}
    )
    world.loop.demands.heard("node2", {WEB: FlowReport(WEB, (Flow("shop/client", EU, 10_000, 100_000),))})
    return service_map(world.loop)


def test_edges_are_those_of_all_agents_and_the_busiest_is_first(answer: dict[str, Any]) -> None:
    assert answer["member"] == "us-east"
    assert answer["edges"] == [
        {
            "source": {"member": "us-east", "namespace": "shop", "account": "client"},
            "service": "shop/web",
            "destination": "eu-central",
            "rps": 40.0,
            "errors_percent": 40.0,
        },
        {
            "source": {"member": "us-east", "namespace": "", "account": ""},
            "service": "shop/web",
            "destination": "us-east",
            "rps": 0.5,
            "errors_percent": 0.0,
        },
    ]


def test_nothing_is_no_edge() -> None:
    assert edges([]) == {} and edges([FlowReport(WEB, (Flow("", US, 0),))]) == {("", WEB, US): (0, 0)}


def test_a_table(answer: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    print_map(answer)
    said = capsys.readouterr().out
    assert "requests of us-east's clients" in said
    assert "shop/client" in said and "40.0/s" in said and "40.0 %" in said and "no identity" in said
    print_map({"member": "us-east", "edges": []})
    assert capsys.readouterr().out == "us-east: no requests of its clients\n"


def test_a_graph(answer: dict[str, Any]) -> None:
    assert dot(answer["edges"]) == "\n".join(
        [
            "digraph isthmus {",
            "  rankdir=LR;",
            '  "shop/web" [shape=box];',
            '  "shop/web in eu-central" [shape=component];',
            '  "shop/web in us-east" [shape=component];',
            '  "us-east: no identity" [shape=ellipse];',
            '  "us-east: shop/client" [shape=ellipse];',
            '  "us-east: shop/client" -> "shop/web";',
            '  "shop/web" -> "shop/web in eu-central" [label="40.0/s, 40.0 % errors"];',
            '  "us-east: no identity" -> "shop/web";',
            '  "shop/web" -> "shop/web in us-east" [label="0.5/s"];',
            "}",
        ]
    )


def test_a_name_cannot_break_out_of_the_graph() -> None:
    edge = {
        "source": {"member": 'x" -> "y', "namespace": "a", "account": "b"},
        "service": "s",
        "destination": "d",
        "rps": 1.0,
        "errors_percent": 0.0,
    }
    assert '"x\\" -> \\"y: a/b" -> "s";' in dot([edge])

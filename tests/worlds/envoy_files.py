"""A real Envoy that reads rendered resources from files, each replaced whole: what an agent would send it, without one."""

import json
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateways.binary import find_envoy
from gateways.render.envoy.common import CDS, LDS
from gateways.render.envoy.resources import Resources

SECONDS = 30
WHOLE = (CDS, LDS)
"""Kinds that Envoy reads as one set; of the others each name is a subscription of its own."""


def file_of(kind: str, name: str) -> str:
    return f"{kind.rpartition('.')[2]}{'' if kind in WHOLE else '-' + name.replace('/', '_').replace(':', '_')}.json"


class EnvoyOnFiles:
    """Runs until the block ends. `put` gives it a whole new configuration."""

    def __init__(self, made: Resources) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="envoy-")
        self.path = Path(self._folder.name)
        self.number = 0
        self.put(made)

    def __enter__(self) -> "EnvoyOnFiles":
        (self.path / "bootstrap.json").write_text(json.dumps(self._bootstrap()))
        self._log = (self.path / "log").open("w")
        command = [find_envoy(), "-c", str(self.path / "bootstrap.json"), "--concurrency", "1"]
        command += ["--use-dynamic-base-id", "-l", "warning", "--admin-address-path", str(self.path / "admin")]
        command += ["--drain-time-s", "3", "--drain-strategy", "immediate"]
        self.process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT)
        self.until("it is live", lambda: self.ask("/ready").strip() == "LIVE")
        return self

    def __exit__(self, *what: object) -> None:
        self.process.kill()
        self.process.wait()
        self._log.close()
        self._folder.cleanup()

    def put(self, made: Resources) -> None:
        """Replace what changed; it is in force when `stat` says so."""
        self.number += 1
        for kind, named in made.items():
            if kind in WHOLE:
                self._write(kind, "", named)
            for name, content in named.items():
                if kind not in WHOLE:
                    self._write(kind, name, {name: content})

    def ask(self, path: str) -> str:
        """What the admin interface answers; "" while it does not."""
        try:
            address = (self.path / "admin").read_text()
            with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    def stats(self, pattern: str) -> dict[str, int]:
        """Counters and gauges whose names match the pattern."""
        lines = (line.rpartition(": ") for line in self.ask(f"/stats?filter={pattern}").splitlines())
        return {name: int(value) for name, _, value in lines if value.isdigit()}

    def until(self, what: str, check: Any) -> Any:
        """Wait for a condition."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError((self.path / "log").read_text())
            found = check()
            if found:
                return found
            time.sleep(0.02)
        raise AssertionError(f"not in {SECONDS} s: {what}; {(self.path / 'log').read_text()[-2000:]}")

    def _write(self, kind: str, name: str, contents: Mapping[str, Any]) -> None:
        file = self.path / file_of(kind, name)
        items = [{"@type": kind, **self._from_files(content)} for content in contents.values()]
        text = json.dumps({"version_info": str(self.number), "resources": items})
        if file.exists() and json.loads(file.read_text())["resources"] == items:
            return
        (self.path / "next").write_text(text)
        (self.path / "next").rename(file)

    def _from_files(self, content: Any) -> Any:
        """The same resource with every subscription to the stream as one to a file."""
        if isinstance(content, list | tuple):
            return [self._from_files(one) for one in content]
        if not isinstance(content, dict):
            return content
        made = {}
        for key, value in content.items():
            if isinstance(value, dict) and "ads" in value:
                made[key] = self._file_source(key, content)
            else:
                made[key] = self._from_files(value)
        return made

    def _file_source(self, field: str, around: Mapping[str, Any]) -> dict[str, Any]:
        kinds = {"sds_config": "Secret", "eds_config": "ClusterLoadAssignment", "config_source": "RouteConfiguration"}
        name = around.get("name") or around.get("service_name") or around.get("route_config_name") or ""
        path = str(self.path / file_of(kinds[field], name))
        return {"path_config_source": {"path": path}, "resource_api_version": "V3"}

    def _bootstrap(self) -> dict[str, Any]:
        def source(kind: str) -> dict[str, Any]:
            return {"path_config_source": {"path": str(self.path / file_of(kind, ""))}, "resource_api_version": "V3"}

        return {
            "node": {"id": "test", "cluster": "test"},
            "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
            "dynamic_resources": {"cds_config": source(CDS), "lds_config": source(LDS)},
        }


def free_port(address: str = "127.0.0.1") -> int:
    """A port that nobody listens on now."""
    with socket.create_server((address, 0)) as found:
        return int(found.getsockname()[1])

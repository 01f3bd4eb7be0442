"""One API server of a bed for what is installed in a cluster: CustomResourceDefinitions, manifests, Secrets."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.worlds.clusters import Bed, Cluster
from tests.worlds.kubectl import KUBECTL


class ApiServer:
    """A member of a bed that no other test uses, and what its administrator does there."""

    def __init__(self, bed: Bed) -> None:
        self.double = bed.sort == "double"
        self._cluster: Cluster = bed.members(3)[2]

    @property
    def kubeconfig(self) -> Path:
        """Of its administrator."""
        return self._cluster.kubeconfig

    def call(
        self, method: str, path: str, body: Any = None, media: str = "application/json", token: str | None = None
    ) -> tuple[int, Any]:
        """Status and decoded answer of one request, as the administrator or by another token."""
        answer = self._cluster.call(method, path, body, media, token)
        return answer.code, answer.value

    def watch(self, path: str, token: str) -> int:
        """The status with which a watch is answered; it is read to its end."""
        return self._cluster.call("GET", path, token=token).code

    def kubectl(self, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """`kubectl` as the administrator, with `text` on its standard input."""
        command = [KUBECTL, "--kubeconfig", str(self.kubeconfig), *arguments]
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)

    def real(self, what: str) -> None:
        """Skip the test on the double, which has not got `what`."""
        if self.double:
            pytest.skip(f"the double has no {what}")

"""A client of a member's Kubernetes API for the lab's own few requests: a connection each, inside a namespace."""

import base64
import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from federation.lab import errors
from federation.lab.inside import inside

APPLY = "application/apply-patch+yaml"
TIMEOUT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Server:
    """The API server of a kubeconfig (JSON, one context with a token), as a network namespace reaches it."""

    namespace: str
    kubeconfig: Path

    def ask(self, method: str, path: str, body: Any = None, sort: str = "application/json") -> tuple[int, Any]:
        """Status code and JSON of one request; OSError when nobody answers, ValueError without a whole kubeconfig."""
        said = json.loads(self.kubeconfig.read_text())
        cluster, user = said["clusters"][0]["cluster"], said["users"][0]["user"]
        at = urlsplit(cluster["server"])
        pem = base64.b64decode(cluster["certificate-authority-data"]).decode()
        headers = {"Authorization": f"Bearer {user['token']}", "Accept": "application/json", "Content-Type": sort}

        def work() -> tuple[int, Any]:
            tls = ssl.create_default_context(cadata=pem)
            connection = http.client.HTTPSConnection(at.netloc, timeout=TIMEOUT_SECONDS, context=tls)
            try:
                connection.request(method, path, None if body is None else json.dumps(body), headers)
                answer = connection.getresponse()
                return answer.status, _value(answer.read())
            except http.client.HTTPException as error:
                raise OSError(f"{at.netloc}: {error!r}") from None
            finally:
                connection.close()

        return inside(self.namespace, work)

    def ok(self, method: str, path: str, body: Any = None, sort: str = "application/json") -> Any:
        """The object that a request gives; LabError with the server's words when it is refused."""
        code, value = self.ask(method, path, body, sort)
        if code >= 300:
            raise errors.command_failed(f"{method} {path}", str(value.get("message", f"status {code}")))
        return value

    def gone(self, path: str) -> None:
        """Delete the object; one that is not there is fine."""
        code, value = self.ask("DELETE", path)
        if code >= 300 and code != 404:
            raise errors.command_failed(f"DELETE {path}", str(value.get("message", f"status {code}")))

    def ready(self) -> str:
        """For wait_for: the server says that it is ready."""
        try:
            code, _ = self.ask("GET", "/readyz")
        except (OSError, ValueError) as error:
            return f"the API server of {self.kubeconfig} does not answer ({error})"
        return "" if code == 200 else f"the API server of {self.kubeconfig} is not ready ({code})"


def written(url: str, token: str, pem: bytes) -> str:
    """A kubeconfig with one context."""
    cluster = {"server": url, "certificate-authority-data": base64.b64encode(pem).decode()}
    said = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "clusters": [{"name": "lab", "cluster": cluster}],
        "users": [{"name": "lab", "user": {"token": token}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
    }
    return json.dumps(said, indent=2) + "\n"


def _value(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return {"message": body.decode(errors="replace").strip()}

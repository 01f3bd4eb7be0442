"""The cluster as a folder of Kubernetes manifests, watched: also how a site without Kubernetes joins.

A file is taken whole or not at all: one mistake in it, and its last good objects stay in force.
"""

import logging
from collections.abc import Iterable
from pathlib import Path

from watchfiles import awatch

from federation.adapters.objects import ObjectKey, OverObjects, object_key
from federation.model.errors import InputError
from federation.model.names import ServiceKey
from federation.ports import Certainty, Wake, Wanted
from federation.wire.k8s.strict import Found, read_manifest

log = logging.getLogger("manifests")
SUFFIXES = (".yaml", ".yml", ".json")
SETTLE_MS = 5
RESCAN_MS = 5_000


class Manifests(OverObjects):
    """A ClusterApi over one folder (not its sub-folders)."""

    def __init__(self, folder: Path, default_az: str) -> None:
        """InputError when the folder cannot be read."""
        if not folder.is_dir():
            raise InputError(f'--manifests "{folder}": is not a folder; make it or name another')
        self._folder = folder
        super().__init__(default_az)
        self._files: dict[Path, bytes] = {}
        self._owned: dict[Path, dict[ObjectKey, str]] = {}
        self._refused: dict[Path, str] = {}
        self._certainty: Certainty = "unknown"

    @property
    def certainty(self) -> Certainty:
        """`stale` while the folder cannot be read."""
        return self._certainty

    @property
    def native(self) -> bool:
        """False: nobody reads what we would write."""
        return False

    @property
    def problems(self) -> tuple[str, ...]:
        """One line per refused file."""
        return tuple(text for _, text in sorted(self._refused.items()))

    def want(self, owner: str, objects: Iterable[Wanted]) -> None:
        """Nothing: a folder of manifests is its author's."""

    def complete(self) -> None:
        """Nothing."""

    async def run(self, wake: Wake) -> None:
        """Read the folder, then again at every change in it and every few seconds."""
        self._pass(wake)
        watcher = awatch(
            self._folder,
            debounce=SETTLE_MS,
            step=SETTLE_MS,
            rust_timeout=RESCAN_MS,
            yield_on_timeout=True,
            recursive=False,
        )
        async for _ in watcher:
            self._pass(wake)

    def scan(self) -> set[ServiceKey]:
        """One full pass over the folder; the services that changed. Right even when every event was lost."""
        try:
            paths = {p for p in self._folder.iterdir() if p.suffix in SUFFIXES and not p.name.startswith(".")}
        except OSError as error:
            self._certainty = "stale"
            self._refused[self._folder] = f"{self._folder}: {error.strerror}; the last good state stays in force"
            return set()
        self._refused.pop(self._folder, None)
        changed: set[ServiceKey] = set()
        for gone in sorted(self._owned.keys() - paths):
            changed |= self._replace(gone, [])
        for gone in self._files.keys() - paths:
            del self._files[gone]
            self._refused.pop(gone, None)
        for path in sorted(paths):
            changed |= self._read(path)
        self._certainty = "fresh"
        return changed

    def _pass(self, wake: Wake) -> None:
        first = self._certainty == "unknown"
        changed = self.scan()
        if self._objects.take_whole() or first:
            wake(None)
        for key in sorted(changed):
            wake(key)

    def _read(self, path: Path) -> set[ServiceKey]:
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return set()
        except OSError as error:
            self._refuse(path, f"{path}: {error.strerror}")
            return set()
        if self._files.get(path) == data and path not in self._refused:
            return set()
        try:
            found = read_manifest(data.decode(), str(path))
            self._refuse_twins(path, found)
        except (InputError, UnicodeDecodeError) as error:
            self._refuse(
                path,
                error.text if isinstance(error, InputError) else f"{path}: is not UTF-8 ({error.reason})",
            )
            self._files[path] = data
            return set()
        self._files[path] = data
        self._refused.pop(path, None)
        return self._replace(path, found)

    def _refuse(self, path: Path, text: str) -> None:
        line = f"{text}; the last good state stays in force"
        if self._refused.get(path) != line:
            log.error("manifest refused", extra={"code": "E125", "reason": text})
        self._refused[path] = line

    def _refuse_twins(self, path: Path, found: list[Found]) -> None:
        places = {key: place for other, held in self._owned.items() if other != path for key, place in held.items()}
        for item in found:
            key = object_key(item.value)
            if key in places:
                kind, namespace, name = key
                raise InputError(
                    f'{item.place}: field "metadata.name": {kind} {namespace}/{name} already stands at {places[key]}',
                    "E125",
                )
            places[key] = item.place

    def _replace(self, path: Path, found: list[Found]) -> set[ServiceKey]:
        changed: set[ServiceKey] = set()
        new = {object_key(item.value): item.place for item in found}
        for key in self._owned.get(path, {}).keys() - new.keys():
            changed |= self._objects.drop(key)
        for item in found:
            changed |= self._objects.put(item.value)
        self._owned[path] = new
        if not new:
            del self._owned[path]
        return changed

"""The controller process from its start to its end: alone, or standing by and leading in turns."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from federation.adapters.leadership import Deposed, Replicas
from federation.adapters.sqlite import SqliteStore
from federation.api.health import Health
from federation.config import Folder
from federation.daemon import NOTHING_ELSE, Also, Controller
from federation.model.flat import Image
from federation.ports import ClusterApi
from federation.process import until_one_ends, until_stopped
from federation.replica.standby import Leads, Standby

log = logging.getLogger("controller")


@dataclass(frozen=True)
class Places:
    """Where a controller listens: for peers and agents, for others, for probes; what its member says: labels, and
    how its local ranges are seen by others.
    """

    listen: str
    also: Also = NOTHING_ELSE
    health: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    images: tuple[Image, ...] = ()


async def run_controller(folder: Folder, cluster: ClusterApi, places: Places, replicas: Replicas | None = None) -> None:
    """Run the controller of the member in this folder until SIGTERM or SIGINT; its store is in the folder, or shared by
    its replicas.
    """
    health = Health()
    async with contextlib.AsyncExitStack() as ended:
        if places.health is not None:
            ended.push_async_callback((await health.start(places.health)).cleanup)
        if replicas is not None:
            await until_stopped([_replicate(folder, cluster, places, replicas, health)])
        else:
            controller = Controller(folder, cluster, SqliteStore(folder.store), "", places.labels, places.images)
            await until_stopped([_serve(controller, places, health)])


async def _serve(controller: Controller, places: Places, health: Health) -> None:
    health.unready = controller.unready
    await controller.run(places.listen, places.also)


async def _replicate(folder: Folder, cluster: ClusterApi, places: Places, replicas: Replicas, health: Health) -> None:
    """Stand by and lead, again and again."""
    async with replicas.running():
        while True:
            store = replicas.store()
            try:
                leads = Leads(replicas.identity, store, replicas.warm)
                standby = Standby(folder, folder.own(), cluster, leads, places.listen)
                health.unready = standby.unready
                await until_one_ends([store.follow(), standby.run()])
                controller = Controller(folder, cluster, store, replicas.identity, places.labels, places.images)
                await until_one_ends([store.keep(), _serve(controller, places, health)])
            except Deposed as error:
                log.warning("stopped serving", extra={"reason": str(error)})
            finally:
                await store.resign()

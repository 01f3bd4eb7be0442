"""The controller's own leaf: from disk while it is valid, from the signer at half life."""

import asyncio
import logging
import random
import time
from functools import partial
from pathlib import Path

from federation.link.leaf import Leaf, issuer_of, leaf_of, load_leaf, new_key, save_leaf, signing_request
from federation.lkg.disk import Disk
from federation.model.errors import IsthmusError
from federation.model.spiffe import SpiffeId
from federation.trust.signer import ask_signer

log = logging.getLogger("trust")


class OwnLeaf:
    """Holds the leaf of this process and keeps it fresh; where `disk` does not take it, in memory."""

    def __init__(self, identity: SpiffeId, path: Path, signer: Path, disk: Disk) -> None:
        self._identity = identity
        self._path = path
        self._signer = signer
        self._disk = disk
        self._saved = True
        self._jitter = random.uniform(-1, 1)  # noqa: S311 - jitter, not a secret
        self.leaf: Leaf | None = load_leaf(path)

    async def ready(self) -> Leaf:
        """The leaf; asks the signer when there is no valid one. Unavailable when the signer is away."""
        if self.leaf is None or self.leaf.not_after <= time.time():
            await self._renew()
        assert self.leaf is not None
        return self.leaf

    def current(self) -> Leaf:
        """The leaf in force, after `ready`."""
        assert self.leaf is not None
        return self.leaf

    @property
    def issuer(self) -> str:
        """The key id of the anchor that signed the leaf in force."""
        return issuer_of(self.current().chain)

    async def renew_from(self, issuer: str) -> None:
        """Have a leaf of this anchor. Unavailable when the signer is away."""
        if self.issuer != issuer:
            await self._renew()

    async def keep_fresh(self) -> None:
        """Renew at half life, for ever; a signer that is away is asked again, and a full disk tried again."""
        while True:
            await asyncio.sleep(30)
            await self.look()

    async def look(self) -> None:
        """Renew when half of the life is over."""
        if self.current().renew_at(self._jitter) <= time.time():
            try:
                await self._renew()
            except IsthmusError as error:
                log.warning("own leaf could not be renewed", extra={"code": error.code, "reason": error.text})
        elif not self._saved:
            self._save()

    async def _renew(self) -> None:
        key = new_key()
        chain = await ask_signer(self._signer, signing_request(key, self._identity))
        self.leaf = leaf_of(self._identity, key, chain)
        self._save()

    def _save(self) -> None:
        self._saved = self._disk.keep("the controller's certificate", partial(save_leaf, self._path, self.current()))

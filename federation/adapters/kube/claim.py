"""Whose cluster this is: one member's of one federation, as the ClusterProperties (KEP-2149) of its controller say.

Two controllers over one API server would each remove what the other makes: both know their own by the same mark.
"""

from __future__ import annotations

import msgspec

from federation.model.imported import CLUSTER_ID, CLUSTERSET
from federation.model.names import MemberName
from federation.wire.k8s.types import ClusterProperty


class Claim:
    """Remembers the properties that another member's controller wrote. Without a member there is nothing to claim."""

    def __init__(self, member: MemberName | None = None, domain: str = "") -> None:
        self._ours: dict[str, str] = {} if member is None else {CLUSTER_ID: member, CLUSTERSET: domain}
        self._others: dict[str, str] = {}
        self._judged = not self._ours

    @property
    def held(self) -> bool:
        """True when the properties were read and are nobody else's."""
        return self._judged and not self._others

    @property
    def problems(self) -> tuple[str, ...]:
        """Who has this cluster, and what to do; nothing where we have it."""
        if not self._others:
            return ()
        name, value = min(self._others.items())
        now, others = self._ours | self._others, " ".join(sorted(self._others))
        return (
            f'ClusterProperty {name}: field "spec.value": is "{value}", not "{self._ours[name]}": this cluster is '
            f'member "{now[CLUSTER_ID]}" of {now[CLUSTERSET]}; nothing of it is read or written. Stop one of the two '
            f"controllers; if the other is gone for good, run `kubectl delete clusterproperty {others}`",
        )

    def saw(self, name: str, raw: msgspec.Raw) -> None:
        """One that bears our mark is there."""
        wanted = self._ours.get(name)
        try:
            value = msgspec.json.decode(raw, type=ClusterProperty).spec.value
        except msgspec.MsgspecError:
            return
        if wanted is None or value == wanted:
            self.gone(name)
        else:
            self._others[name] = value

    def gone(self, name: str) -> None:
        """It is there no more."""
        self._others.pop(name, None)

    def listed(self) -> None:
        """Everything that is there was seen."""
        self._judged = True

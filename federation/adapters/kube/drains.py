"""Drain objects written for an operator: `isthmus drain` and a Drain made by hand are one and the same.

They do not bear our mark: what an operator asked for is never tidied away as something that nobody wants any more.
"""

from __future__ import annotations

from federation.adapters.kube.http import ApiError, Broken, Http, Stopped
from federation.adapters.kube.kinds import FOLLOWED
from federation.model.duration import words
from federation.model.errors import Refused, Unavailable
from federation.model.moves import Order
from federation.model.names import MemberName

KIND = FOLLOWED["Drain"]
BY = "isthmus-cli"
"""The field manager of what a command asks for."""


async def make(http: Http, name: str, member: MemberName, order: Order) -> None:
    """Make the Drain of this name, or give it another duration. Refused (E102) with the API server's words,
    Unavailable.
    """
    spec = {"member": member, "over": words(order.seconds), "reason": order.reason}
    body = {"apiVersion": KIND.api_version, "kind": KIND.name, "metadata": {"name": name}, "spec": spec}
    query = {"fieldManager": BY, "force": "true"}
    try:
        await http.call("apply", KIND.name, KIND.path_of((KIND.name, "", name)), query, body)
    except ApiError as error:
        raise Refused(f"Drain {name}: the API server refuses it: {error.message}", "E102") from None
    except (Broken, Stopped) as error:
        raise Unavailable(f"Drain {name}: the API server did not take it: {error}") from None


async def end(http: Http, name: str) -> None:
    """Delete the Drain of this name; one that is gone is no fault. Refused (E102) with the API server's words,
    Unavailable.
    """
    try:
        await http.call("delete", KIND.name, KIND.path_of((KIND.name, "", name)))
    except ApiError as error:
        if error.code != 404:
            raise Refused(f"Drain {name}: the API server does not delete it: {error.message}", "E102") from None
    except (Broken, Stopped) as error:
        raise Unavailable(f"Drain {name}: the API server did not delete it: {error}") from None

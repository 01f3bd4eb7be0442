"""Whose a service account token is, by the words of an API server."""

import asyncio
from collections.abc import Callable

import pytest

from federation.adapters.kube.access import KubeAccess
from federation.adapters.kube.tokens import review
from federation.model.errors import IsthmusError
from federation.model.tokens import ServiceAccount
from tests.worlds.api_double import ApiDouble

CLIENT = "system:serviceaccount:shop:client"
POD = "authentication.kubernetes.io/pod-name"


def asked(token: str, arrange: Callable[[ApiDouble], None]) -> ServiceAccount:
    async def main() -> ServiceAccount:
        async with ApiDouble() as double:
            arrange(double)
            return await review(KubeAccess(double.url.rstrip("/"), False), token)

    return asyncio.run(main())


def test_the_account_of_a_pods_token() -> None:
    found = asked("t", lambda double: double.know("t", CLIENT, pod_name="client-0", node_name="n1"))
    assert found == ServiceAccount("shop", "client", "client-0", "n1")


def test_an_older_api_server_names_no_node() -> None:
    found = asked("t", lambda double: double.know("t", CLIENT, pod_name="client-0"))
    assert found == ServiceAccount("shop", "client", "client-0", "")


BAD: dict[str, tuple[Callable[[ApiDouble], None], str]] = {
    "unknown": (
        lambda double: None,
        "E105 service account token: the API server does not know it ([invalid bearer token, token lookup failed])",
    ),
    "a person's": (
        lambda double: double.know("t", "alice", pod_name="p"),
        "E105 service account token: 'alice' is no service account",
    ),
    "bound to no pod": (
        lambda double: double.know("t", CLIENT),
        "E105 service account token of shop/client: is bound to no pod",
    ),
    "no right to ask": (
        lambda double: double.fail_next.append(403),
        "E190 the API server does not let us review tokens: grant `create` on tokenreviews.authentication.k8s.io",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_pods_token(case: str) -> None:
    arrange, text = BAD[case]
    with pytest.raises(IsthmusError) as caught:
        asked("t", arrange)
    assert str(caught.value) == text


def test_an_api_server_that_fails_is_unavailable_and_says_no_token() -> None:
    with pytest.raises(IsthmusError) as caught:
        asked("secret", lambda double: double.fail_next.append(500))
    assert str(caught.value).startswith("E190 the API server did not review a token: ClientResponseError: 500")
    assert "secret" not in str(caught.value)


def test_a_token_for_another_audience_is_refused() -> None:
    """Both an API server that does not know audiences, whose answer names none, and one that names others."""
    said = {"authenticated": True, "user": {"username": CLIENT, "extra": {POD: ["client-0"]}}}

    async def main(audiences: list[str]) -> ServiceAccount:
        async with ApiDouble() as double:
            double.tokens["t"] = said | {"audiences": audiences}
            return await review(KubeAccess(double.url.rstrip("/"), False), "t", "isthmus")

    assert asyncio.run(main(["isthmus"])).name == "client"
    for audiences in ([], ["https://kubernetes.default.svc"]):
        with pytest.raises(IsthmusError) as caught:
            asyncio.run(main(audiences))
        assert str(caught.value) == 'E105 service account token: is not for the audience "isthmus"'

"""Whose a service account token is, by the words of an API server."""

import asyncio

import pytest

from federation.adapters.kube.access import KubeAccess
from federation.adapters.kube.tokens import _account, _Status, _User, review
from federation.lab.kubernetes.faults import Answer, Faults
from federation.lab.kubernetes.server import ApiServer
from federation.lab.kubernetes.users import EXTRA, User
from federation.model.errors import IsthmusError
from federation.model.tokens import ServiceAccount

CLIENT = "system:serviceaccount:shop:client"
ADMIN = User("admin", groups=("system:masters",))


def bound(name: str, **extra: str) -> User:
    """A user of whom a TokenReview says this beside."""
    return User(name, "1", extra={EXTRA + key.replace("_", "-"): [value] for key, value in extra.items()})


def asked(token: str, users: dict[str, User], code: int = 0) -> ServiceAccount:
    """What a TokenReview says; the double answers with this code, if any."""

    async def main() -> ServiceAccount:
        async with ApiServer(users={"ours": ADMIN} | users) as double:
            double.faults.set(Faults(answers=[Answer(code)] if code else []))
            return await review(KubeAccess(double.url, False, "ours"), token)

    return asyncio.run(main())


def test_the_account_of_a_pods_token() -> None:
    found = asked("t", {"t": bound(CLIENT, pod_name="client-0", node_name="n1")})
    assert found == ServiceAccount("shop", "client", "client-0", "n1")


def test_an_older_api_server_names_no_node() -> None:
    found = asked("t", {"t": bound(CLIENT, pod_name="client-0")})
    assert found == ServiceAccount("shop", "client", "client-0", "")


BAD: dict[str, tuple[dict[str, User], str]] = {
    "unknown": ({}, "E105 service account token: the API server does not know it (invalid bearer token)"),
    "a person's": (
        {"t": bound("alice", pod_name="p")},
        "E105 service account token: 'alice' is no service account",
    ),
    "bound to no pod": ({"t": bound(CLIENT)}, "E105 service account token of shop/client: is bound to no pod"),
    "no right to ask": (
        {"ours": User("isthmus")},
        "E190 the API server does not let us review tokens: grant `create` on tokenreviews.authentication.k8s.io",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_pods_token(case: str) -> None:
    users, text = BAD[case]
    with pytest.raises(IsthmusError) as caught:
        asked("t", users)
    assert str(caught.value) == text


def test_an_api_server_that_fails_is_unavailable_and_says_no_token() -> None:
    with pytest.raises(IsthmusError) as caught:
        asked("secret", {}, 500)
    assert str(caught.value).startswith("E190 the API server did not review a token: ClientResponseError: 500")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("audiences", [(), ("https://kubernetes.default.svc",)])
def test_a_token_for_another_audience_is_refused(audiences: tuple[str, ...]) -> None:
    """Both by an API server that does not know audiences, whose answer names none, and by one that names others."""
    user = _User(CLIENT, {f"{EXTRA}pod-name": ["client-0"]})
    assert _account(_Status(True, user, ("isthmus",)), "isthmus").name == "client"
    with pytest.raises(IsthmusError) as caught:
        _account(_Status(True, user, audiences), "isthmus")
    assert str(caught.value) == 'E105 service account token: is not for the audience "isthmus"'

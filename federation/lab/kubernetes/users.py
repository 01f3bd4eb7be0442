"""Who asks: tokens of a file, tokens issued to service accounts (TokenRequest), and their review."""

import csv
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from federation.lab.kubernetes import clock, status
from federation.lab.kubernetes.store import Store

Object = dict[str, Any]
ISSUER = "https://kubernetes.default.svc"
ACCOUNTS, PODS = ("", "serviceaccounts"), ("", "pods")
EXTRA = "authentication.kubernetes.io/"
SHORTEST_SECONDS, DEFAULT_SECONDS = 600, 3600


@dataclass(frozen=True)
class User:
    """A user as authorisation sees it."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, list[str]] = field(default_factory=dict, hash=False)

    def said(self) -> Object:
        """The user of a review's status."""
        found: Object = {"username": self.name, "uid": self.uid, "groups": list(self.groups)}
        return found | ({"extra": self.extra} if self.extra else {})


ANONYMOUS = User("system:anonymous", groups=("system:unauthenticated",))
ANYONE = User("system:admin", groups=("system:masters", "system:authenticated"))


class BadToken(Exception):
    """A token that is no one's."""


def read_tokens(path: Path) -> dict[str, User]:
    """Users by token, of a file in the form of kube-apiserver's --token-auth-file: token,user,uid,"group,group"."""
    users = {}
    with path.open(newline="") as lines:
        for row in csv.reader(lines, skipinitialspace=True):
            if len(row) < 3:
                raise ValueError(f"{path}: a line has {len(row)} columns: it needs token,user,uid and may have groups")
            groups = tuple(row[3].split(",")) if len(row) > 3 and row[3] else ()
            users[row[0]] = User(row[1], row[2], (*groups, "system:authenticated"))
    return users


class Tokens:
    """Issues and reads tokens; `known` are those of the file, empty when everybody may do everything."""

    def __init__(self, store: Store, known: dict[str, User]) -> None:
        self.store, self.known = store, known
        self.key = ec.generate_private_key(ec.SECP256R1())

    def user(self, header: str) -> User:
        """The user of an Authorization header; 401 for a token that is no one's."""
        if not self.known:
            return ANYONE
        if not header:
            return ANONYMOUS
        try:
            return self.read(header.removeprefix("Bearer "), (ISSUER,))[0]
        except BadToken:
            raise status.unauthorized() from None

    def read(self, token: str, audiences: tuple[str, ...]) -> tuple[User, list[str]]:
        """The user of a token and which of the audiences it is for; BadToken with the reason."""
        if token in self.known:
            return self.known[token], list(audiences)
        try:
            wanted = ["exp", "iat", "sub"]
            options: Any = {"require": wanted, "verify_aud": False}
            claims = jwt.decode(token, self.key.public_key(), ["ES256"], options=options, issuer=ISSUER)
        except jwt.ExpiredSignatureError:
            raise BadToken("[invalid bearer token, service account token has expired]") from None
        except jwt.PyJWTError:
            raise BadToken("invalid bearer token") from None
        fit = [one for one in audiences if one in claims["aud"]]
        if not fit:
            said = f"token audiences {status.shown(claims['aud'])} is invalid for the target audiences"
            raise BadToken(f"[invalid bearer token, {said} {status.shown(list(audiences))}]")
        return self._account(claims), fit

    def _account(self, claims: Object) -> User:
        bound = claims["kubernetes.io"]
        namespace, account = bound["namespace"], bound["serviceaccount"]
        live = self.store.get(ACCOUNTS, (namespace, account["name"]))
        if live is None or live["metadata"]["uid"] != account["uid"]:
            raise BadToken("[invalid bearer token, service account has been deleted]")
        extra = {f"{EXTRA}credential-id": [f"JTI={claims['jti']}"]}
        pod = bound.get("pod")
        if pod:
            found = self.store.get(PODS, (namespace, pod["name"]))
            if found is None or found["metadata"]["uid"] != pod["uid"]:
                raise BadToken("[invalid bearer token, pod has been deleted]")
        for sort in ("node", "pod"):
            if sort in bound:
                extra |= {f"{EXTRA}{sort}-name": [bound[sort]["name"]]}
                extra |= {f"{EXTRA}{sort}-uid": [bound[sort]["uid"]]} if bound[sort].get("uid") else {}
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
        return User(f"system:serviceaccount:{namespace}:{account['name']}", account["uid"], groups, extra)

    def issue(self, namespace: str, name: str, asked: Object) -> Object:
        """Answer a TokenRequest; 404 without the account or the pod that it is bound to, 422 for a short life."""
        account = self.store.get(ACCOUNTS, (namespace, name))
        if account is None:
            raise status.not_found("", "serviceaccounts", name)
        spec = asked.get("spec") or {}
        seconds = spec.get("expirationSeconds") or DEFAULT_SECONDS
        if seconds < SHORTEST_SECONDS:
            cause = status.bad_value(
                "spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes"
            )
            raise status.invalid("authentication.k8s.io", "TokenRequest", "", [cause])
        bound: Object = {"namespace": namespace, "serviceaccount": _reference(account)}
        bound |= self._bound(namespace, spec.get("boundObjectRef"))
        at = int(time.time())
        audiences = spec.get("audiences") or [ISSUER]
        claims = {"aud": audiences, "exp": at + seconds, "iat": at, "nbf": at, "iss": ISSUER, "jti": str(uuid.uuid4())}
        claims |= {"sub": f"system:serviceaccount:{namespace}:{name}", "kubernetes.io": bound}
        token = jwt.encode(claims, self.key, "ES256")
        spec = {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": spec.get("boundObjectRef")}
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": name, "namespace": namespace, "creationTimestamp": clock.now()},
            "spec": spec,
            "status": {"token": token, "expirationTimestamp": clock.now(seconds)},
        }

    def _bound(self, namespace: str, to: Object | None) -> Object:
        if not to:
            return {}
        collections = {"Pod": PODS, "Secret": ("", "secrets"), "Node": ("", "nodes")}
        if to.get("kind") not in collections:
            raise status.bad_request(f"cannot bind token to object of type /v1, Kind={to.get('kind')}")
        group, plural = collections[to["kind"]]
        key = ("" if to["kind"] == "Node" else namespace, to.get("name", ""))
        found = self.store.get((group, plural), key)
        if found is None:
            raise status.not_found(group, plural, key[1])
        uid = to.get("uid")
        if uid and uid != found["metadata"]["uid"]:
            why = f"the UID in the bound object reference ({uid}) does not match the UID in record"
            text = f"{why} ({found['metadata']['uid']}). The object might have been deleted and then recreated"
            raise status.conflict(group, plural, key[1], text)
        said = {to["kind"].lower(): _reference(found)}
        node = found.get("spec", {}).get("nodeName") if to["kind"] == "Pod" else None
        if node:
            live = self.store.get(("", "nodes"), ("", node))
            said["node"] = _reference(live) if live else {"name": node}
        return said

    def review(self, asked: Object) -> Object:
        """Answer a TokenReview with its status filled in."""
        spec = asked.get("spec") or {}
        if not spec.get("token"):
            raise status.bad_request("token is required for TokenReview in authentication")
        wanted = tuple(spec.get("audiences") or (ISSUER,))
        try:
            user, fit = self.read(spec.get("token", ""), wanted)
        except BadToken as error:
            said: Object = {"user": {}, "error": str(error)}
        else:
            said = {"authenticated": True, "user": user.said(), "audiences": fit}
        return {**asked, "metadata": {}, "status": said}


def _reference(value: Object) -> Object:
    return {"name": value["metadata"]["name"], "uid": value["metadata"]["uid"]}

"""What the API server checks beside the schema (CEL, x-kubernetes-validations), in the sense of check.py."""

from msgspec import Struct

from federation.model.duration import FORM
from federation.model.policy import PROBES_MAX
from federation.wire.k8s.routing import KINDS, WITH_OTHERWISE

_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
IS_LABEL = f"self.matches('^{_LABEL}$')"


class Rule(Struct, frozen=True, kw_only=True):
    """`check` is CEL over `self`; `expression` gives the message when the value shall stand in it."""

    check: str
    message: str
    expression: str = ""

    def rendered(self) -> dict[str, str]:
        """As a CustomResourceDefinition writes it."""
        made = {"rule": self.check, "message": self.message}
        return made | ({"messageExpression": self.expression} if self.expression else {})


def _once() -> Rule:
    return Rule(
        check="self.all(one, self.exists_one(other, other == one))",
        message="one stands there twice",
        expression="""'"' + self.filter(one, !self.exists_one(other, other == one))[0] + '" stands there twice'""",
    )


_KEY_VALUE = "[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?=([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?"
_TARGET = f"{_LABEL}|member/{_LABEL}|label/{_KEY_VALUE}"
_TERM = f"^({_TARGET}|@region|@az)$"
_PORT = "[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
_NAME = "([a-z0-9][a-z0-9-]*)?[a-z]([a-z0-9-]*[a-z0-9])?"
_NO_TERM = "is no term: write a region, member/NAME, label/KEY=VALUE, @region or @az"


def _outside(field: str) -> str:
    """CEL: this portion goes to a region that residency leaves out."""
    to = f"self.{field}.to"
    return (
        f"has(self.{field}) && has(self.residency) && size(self.residency) > 0 && "
        f"!{to}.contains('/') && !{to}.startsWith('@') && !({to} in self.residency)"
    )


_NAME_IS_LABEL = Rule(
    check=f"self.metadata.name.matches('^{_LABEL}$')",
    message='metadata.name is not a DNS label (1 to 63 of a-z, 0-9 and inner "-")',
)
_STEERING: dict[str, tuple[Rule, ...]] = {
    "order": (
        _once(),
        Rule(
            check=f"self.all(term, term.matches('{_TERM}'))",
            message=f"one {_NO_TERM}",
            expression=f"""'"' + self.filter(term, !term.matches('{_TERM}'))[0] + '" {_NO_TERM}'""",
        ),
    ),
    "drain": (_once(),),
    "residency": (_once(),),
    "weights": (
        Rule(
            check="size(self) == 0 || self.exists(region, self[region] > 0)",
            message="all are 0: give at least one region a weight above 0",
        ),
    ),
    "need": (
        Rule(
            check=f"type(self) == int ? self >= 1 && self <= {PROBES_MAX} : self in ['all', 'any']",
            message=f"must be all, any or a number from 1 to {PROBES_MAX}",
        ),
    ),
    "prices": (
        Rule(
            check="self.all(one, self.exists_one(other, other.from == one.from && other.to == one.to))",
            message="a pair of regions stands there twice",
        ),
    ),
    "minShare": (
        Rule(
            check="self.map(region, self[region]).sum() <= 100",
            message="more than 100 per cent in all",
        ),
    ),
}
_RESIDES = (
    Rule(
        check="!has(self.residency) || size(self.residency) == 0 || !has(self.weights) || size(self.weights) == 0 || "
        "self.residency.exists(region, region in self.weights && self.weights[region] > 0)",
        message="residency: leaves nobody: no region in it has a weight above 0",
    ),
    Rule(
        check="!has(self.minShare) || !has(self.maxShare) || "
        "self.minShare.all(region, !(region in self.maxShare) || self.minShare[region] <= self.maxShare[region])",
        message="minShare: a region has more than its maxShare",
    ),
    Rule(
        check="!has(self.minShare) || !has(self.residency) || size(self.residency) == 0 || "
        "self.minShare.all(region, region in self.residency)",
        message="minShare: a region is not in spec.residency",
    ),
)

FIELDS: dict[str, dict[str, tuple[Rule, ...]]] = {
    "TrafficPolicySpec": _STEERING,
    "GlobalNameSpec": {
        **_STEERING,
        "host": (
            Rule(
                check=f"self.matches('^({_LABEL}\\\\.)+{_LABEL}$')",
                message="must be a DNS name in lower case such as shop.example.com",
            ),
        ),
        "service": (Rule(check=IS_LABEL, message="is not a DNS label"),),
        "alpn": (_once(),),
        "routing": (
            Rule(
                check="self.all(one, self.exists_one(other, other.name == one.name))",
                message="a policy stands there twice",
            ),
        ),
    },
    "RoutingSpec": {"name": (Rule(check=IS_LABEL, message="is not a DNS label"),)},
    "ProbeSpec": {
        "path": (
            Rule(
                check="self == '' || self.matches('^/[!-~]*$')",
                message='must begin with "/" and hold printable ASCII without spaces',
            ),
        ),
    },
    "PortionSpec": {
        "to": (
            Rule(
                check=f"self.matches('^({_TARGET})$')",
                message="names nobody: write a region, member/NAME or label/KEY=VALUE",
            ),
        ),
    },
    "PanicSpec": {
        "fallback": (Rule(check=f"self == '' || {IS_LABEL}", message="is not a DNS label"),),
    },
    "AffinitySpec": {
        "name": (
            Rule(
                check="self == '' || self.matches('^[!#$%&*+.^_`|~0-9A-Za-z-]+$')",
                message="is no name of a header or cookie (RFC 9110, token)",
            ),
        ),
    },
    "AccessPolicySpec": {
        "service": (Rule(check=f"self == '' || {IS_LABEL}", message="is not a DNS label"),),
        "ports": (
            Rule(
                check=f"self.all(port, port.matches('^({_PORT}|{_NAME})$'))",
                message="one is no name of a port and no number from 1 to 65535",
                expression=f"""'"' + self.filter(port, !port.matches('^({_PORT}|{_NAME})$'))[0] + """
                """'" is no name of a port and no number from 1 to 65535'""",
            ),
        ),
        "paths": (
            Rule(
                check="self.all(path, path.matches('^/[!-~]*$'))",
                message='one does not begin with "/" or holds more than printable ASCII without spaces',
            ),
        ),
    },
    "EgressPolicySpec": {
        "serviceAccounts": (
            Rule(
                check=f"self.all(account, account.matches('^({_LABEL}\\\\.)*{_LABEL}$'))",
                message="one is not a DNS name in lower case",
            ),
        ),
        "addresses": (Rule(check=f"self.all(member, member.matches('^{_LABEL}$'))", message="one is not a DNS label"),),
    },
    "CalleeSpec": {
        "namespace": (Rule(check=f"self == '' || {IS_LABEL}", message="is not a DNS label"),),
        "service": (Rule(check=f"self == '' || {IS_LABEL}", message="is not a DNS label"),),
    },
    "SourceSpec": {
        "member": (Rule(check=f"self == '' || {IS_LABEL}", message="is not a DNS label"),),
        "namespace": (Rule(check=f"self == '' || {IS_LABEL}", message="is not a DNS label"),),
        "serviceAccount": (
            Rule(
                check=f"self == '' || self.matches('^({_LABEL}\\\\.)*{_LABEL}$')",
                message="is not a DNS name in lower case",
            ),
        ),
    },
    "DrainSpec": {
        "member": (Rule(check=f"self == '' || {IS_LABEL}", message="is not a member name (a DNS label)"),),
        "over": (
            Rule(
                check=f"self == '' || (self.matches('^{FORM}$') && duration(self) <= duration('24h'))",
                message="must be a duration such as 90s, 10m or 1h30m, at most 24h",
            ),
        ),
    },
}
"""By type and field."""


def _has(kind: str) -> str:
    """CEL: this field of a policy says something."""
    return f"has(self.{kind})" if kind == "canary" else f"(has(self.{kind}) && size(self.{kind}) > 0)"


_FALLS_BACK = "has(self.panic) && self.panic.action == 'fallback'"
TYPES: dict[str, tuple[Rule, ...]] = {
    "TrafficPolicySpec": (
        *_RESIDES,
        Rule(check=f"!({_outside('canary')})", message="canary.to: is not in spec.residency"),
        Rule(check=f"!({_outside('mirror')})", message="mirror.to: is not in spec.residency"),
        Rule(
            check=f"!({_FALLS_BACK}) || self.target != 'Namespace'",
            message="panic.action: fallback is for one service: set spec.target to Service",
        ),
    ),
    "PanicSpec": (
        Rule(
            check="self.action == 'fallback' || !has(self.fallback) || self.fallback == ''",
            message="fallback: only used with action fallback",
        ),
        Rule(
            check="self.action != 'fallback' || (has(self.fallback) && self.fallback != '')",
            message="fallback: action fallback needs the name of a service of the same namespace",
        ),
    ),
    "ProbeSpec": (
        Rule(
            check="(has(self.kind) && self.kind == 'exec') == (has(self.command) && self.command != '')",
            message="command: kind exec needs one, and no other kind has one",
        ),
    ),
    "AffinitySpec": (
        Rule(
            check="self.by != 'source' || !has(self.name) || self.name == ''",
            message="name: only used with by header or cookie",
        ),
        Rule(
            check="self.by == 'source' || (has(self.name) && self.name != '')",
            message="name: affinity by header or cookie needs its name",
        ),
        Rule(
            check="self.by == 'cookie' || !has(self.seconds) || self.seconds == 0",
            message="seconds: only used with by cookie",
        ),
    ),
    "RetriesSpec": (
        Rule(
            check="self.maxMs == 0 || self.maxMs >= self.baseMs",
            message="maxMs: is less than baseMs",
        ),
    ),
    "OutlierSpec": (
        Rule(
            check="self.maxEjectionMs == 0 || self.maxEjectionMs >= self.baseEjectionMs",
            message="maxEjectionMs: is less than baseEjectionMs",
        ),
    ),
    "GlobalNameSpec": (
        *_RESIDES,
        Rule(
            check="self.policy != 'weighted' || (has(self.weights) && size(self.weights) > 0)",
            message="weights: policy weighted needs a weight for at least one region",
        ),
        Rule(
            check="!has(self.minTTL) || self.minTTL <= self.ttl",
            message="minTTL: is more than ttl",
        ),
        Rule(
            check="self.policy != 'steered' || !has(self.weights) || size(self.weights) == 0",
            message="weights: only used with policy weighted; remove it or set spec.policy to weighted",
        ),
    ),
    "RoutingSpec": (
        Rule(
            check=f"[{', '.join(map(_has, KINDS))}].filter(one, one).size() == 1",
            message=f"write exactly one of {', '.join(KINDS)}",
        ),
        Rule(
            check=f"{_has('otherwise')} == ({' || '.join(map(_has, WITH_OTHERWISE))})",
            message=f"otherwise: goes with {', '.join(WITH_OTHERWISE)}, and with these alone",
        ),
    ),
    "DrainSpec": (
        Rule(
            check="(has(self.member) ? self.member : '') == (has(oldSelf.member) ? oldSelf.member : '')",
            message="member cannot be changed: delete this Drain and make another",
        ),
    ),
    "TrafficPolicy": (
        _NAME_IS_LABEL,
        Rule(
            check="!has(self.spec.panic) || !has(self.spec.panic.fallback) || "
            "self.spec.panic.fallback != self.metadata.name",
            message="spec.panic.fallback: a service cannot take the place of itself",
        ),
    ),
    "AccessPolicy": (_NAME_IS_LABEL,),
    "EgressPolicy": (_NAME_IS_LABEL,),
    "GlobalName": (_NAME_IS_LABEL,),
    "MemberCluster": (_NAME_IS_LABEL,),
}
"""By type: over the whole of it."""

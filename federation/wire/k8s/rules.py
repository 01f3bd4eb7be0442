"""What the API server checks beside the schema (CEL, x-kubernetes-validations), in the sense of check.py."""

from msgspec import Struct

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
        message="a region stands there twice",
        expression="""'"' + self.filter(one, !self.exists_one(other, other == one))[0] + '" stands there twice'""",
    )


_NAME_IS_LABEL = Rule(
    check=f"self.metadata.name.matches('^{_LABEL}$')",
    message='metadata.name is not a DNS label (1 to 63 of a-z, 0-9 and inner "-")',
)
_STEERING = {
    "order": _once(),
    "drain": _once(),
    "weights": Rule(
        check="size(self) == 0 || self.exists(region, self[region] > 0)",
        message="all are 0: give at least one region a weight above 0",
    ),
}

FIELDS: dict[str, dict[str, Rule]] = {
    "TrafficPolicySpec": _STEERING,
    "GlobalNameSpec": {
        **_STEERING,
        "host": Rule(
            check=f"self.matches('^({_LABEL}\\\\.)+{_LABEL}$')",
            message="must be a DNS name in lower case such as shop.example.com",
        ),
        "service": Rule(check=IS_LABEL, message="is not a DNS label"),
    },
    "ProbeSpec": {
        "path": Rule(
            check="self == '' || self.matches('^/[!-~]*$')",
            message='must begin with "/" and hold printable ASCII without spaces',
        ),
    },
    "DrainSpec": {
        "member": Rule(check=f"self == '' || {IS_LABEL}", message="is not a member name (a DNS label)"),
    },
}
"""By type and field."""

TYPES: dict[str, tuple[Rule, ...]] = {
    "GlobalNameSpec": (
        Rule(
            check="self.policy != 'weighted' || (has(self.weights) && size(self.weights) > 0)",
            message="weights: policy weighted needs a weight for at least one region",
        ),
        Rule(
            check="self.policy != 'steered' || !has(self.weights) || size(self.weights) == 0",
            message="weights: only used with policy weighted; remove it or set spec.policy to weighted",
        ),
    ),
    "DrainSpec": (
        Rule(
            check="(has(self.member) ? self.member : '') == (has(oldSelf.member) ? oldSelf.member : '')",
            message="member cannot be changed: delete this Drain and make another",
        ),
    ),
    "TrafficPolicy": (_NAME_IS_LABEL,),
    "GlobalName": (_NAME_IS_LABEL,),
    "MemberCluster": (_NAME_IS_LABEL,),
}
"""By type: over the whole of it."""

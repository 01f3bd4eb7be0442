"""Labels and annotations as the Kubernetes API takes them (apimachinery validation: qualified names, label values)."""

import re
from collections.abc import Mapping

TEXT_MAX = 64 * 1024
"""Bytes of all exported labels and annotations of a service: a quarter of what an object's annotations may have."""
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
PREFIX_MAX = 253


def is_value(text: str) -> bool:
    """True for a label's value that is not empty: at most 63 letters, digits, "-", "_" and "."."""
    return _NAME.fullmatch(text) is not None


def is_key(text: str) -> bool:
    """True for the key of a label or annotation: a name, with a DNS prefix and "/" before it or without."""
    prefix, slash, name = text.rpartition("/")
    return is_value(name) and (not slash or (len(prefix) <= PREFIX_MAX and _PREFIX.fullmatch(prefix) is not None))


def metadata_fault(labels: Mapping[str, str], annotations: Mapping[str, str]) -> str | None:
    """The first of these that the API would refuse, or None."""
    for what, found in (("label", labels), ("annotation", annotations)):
        for key, value in found.items():
            if not is_key(key):
                return f"{what} {key[:80]!r} is not a qualified name"
            if what == "label" and value and not is_value(value):
                return f"label {key[:80]!r} has the value {value[:80]!r}, which is not a label value"
    size = text_size(labels, annotations)
    return f"labels and annotations of {size} bytes > {TEXT_MAX}" if size > TEXT_MAX else None


def text_size(*found: Mapping[str, str]) -> int:
    """Bytes of all keys and values."""
    return sum(len(key.encode()) + len(value.encode()) for one in found for key, value in one.items())

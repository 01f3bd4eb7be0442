"""Labels and annotations that an export carries to every member, as the Kubernetes API takes them (apimachinery:
qualified names, label values).
"""

import re
from collections.abc import Mapping

from federation.model.names import LABEL_MAX, NAME_MAX

EXPORTED_BYTES_MAX = 65_536
"""Of the labels, and of the annotations, of one export; an object's annotations may have 256 KiB in all."""
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_OURS = ".isthmus.dev"


def is_value(text: str) -> bool:
    """True for a label's value that is not empty: at most 63 letters, digits, "-", "_" and "."."""
    return _NAME.fullmatch(text) is not None


def is_key(text: str) -> bool:
    """True for the key of a label or annotation: a name, with a DNS prefix and "/" before it or without."""
    prefix, slash, name = text.rpartition("/")
    return is_value(name) and (not slash or (len(prefix) <= NAME_MAX and _PREFIX.fullmatch(prefix) is not None))


def label_fault(labels: Mapping[str, str]) -> str | None:
    """The first of these labels that cannot be exported, and why."""
    for key, value in labels.items():
        if value and not is_value(value):
            return f"{value[:LABEL_MAX]!r} of {key[:NAME_MAX]!r} is no value of a label"
    return annotation_fault(labels)


def annotation_fault(pairs: Mapping[str, str]) -> str | None:
    """The first of these that cannot be exported, and why: its key, or the size of all."""
    for key in pairs:
        if not is_key(key):
            return f"{key[:NAME_MAX]!r} is not a key such as example.com/team"
        if "/" in key and f".{key}".partition("/")[0].endswith(_OURS):
            return f'"{key}" is ours: keys of isthmus.dev are not exported'
    size = sum(len(key) + len(value.encode()) for key, value in pairs.items())
    return f"{size} bytes, at most {EXPORTED_BYTES_MAX} can be exported" if size > EXPORTED_BYTES_MAX else None

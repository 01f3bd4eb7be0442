"""An immutable hash tree over keyed bytes.

A radix trie over SHA-256(key), 16 children a node. A change copies one branch and rehashes it; two trees are compared
by walking only the branches whose digests differ. The shape depends on the content alone, never on the path that led
to it, so equal content has an equal root in every process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256

from msgspec import Struct

BUCKET = 16
FANOUT = 16


class Leaf(Struct, frozen=True, gc=False):
    """At most BUCKET items, sorted by the hash of the key."""

    items: tuple[tuple[bytes, str, bytes], ...]
    digest: bytes

    @property
    def size(self) -> int:
        """How many items stand below."""
        return len(self.items)


class Branch(Struct, frozen=True, gc=False):
    """More than BUCKET items, split by the next nibble of the hash of the key."""

    children: tuple[Node, ...]
    digest: bytes
    size: int


Node = Leaf | Branch


def _leaf(items: tuple[tuple[bytes, str, bytes], ...]) -> Leaf:
    hasher = sha256(b"leaf")
    for path, _, value in items:
        hasher.update(path)
        hasher.update(sha256(value).digest())
    return Leaf(items, hasher.digest())


_EMPTY = _leaf(())


def _nibble(path: bytes, depth: int) -> int:
    byte = path[depth >> 1]
    return byte & 15 if depth & 1 else byte >> 4


def _build(items: tuple[tuple[bytes, str, bytes], ...], depth: int) -> Node:
    if len(items) <= BUCKET:
        return _leaf(items) if items else _EMPTY
    parts: list[list[tuple[bytes, str, bytes]]] = [[] for _ in range(FANOUT)]
    for item in items:
        parts[_nibble(item[0], depth)].append(item)
    return _branch(tuple(_build(tuple(part), depth + 1) for part in parts))


def _branch(children: tuple[Node, ...]) -> Branch:
    hasher = sha256(b"branch")
    for child in children:
        hasher.update(child.digest)
    return Branch(children, hasher.digest(), sum(child.size for child in children))


def _items(node: Node) -> Iterator[tuple[bytes, str, bytes]]:
    if isinstance(node, Leaf):
        yield from node.items
    else:
        for child in node.children:
            yield from _items(child)


def _replace(node: Node, path: bytes, item: tuple[bytes, str, bytes] | None, depth: int) -> Node:
    if isinstance(node, Leaf):
        kept = [old for old in node.items if old[0] != path]
        if item is not None:
            kept.append(item)
            kept.sort()
        return _build(tuple(kept), depth)
    index = _nibble(path, depth)
    child = _replace(node.children[index], path, item, depth + 1)
    if child is node.children[index]:
        return node
    made = _branch((*node.children[:index], child, *node.children[index + 1 :]))
    return _build(tuple(sorted(_items(made))), depth) if made.size <= BUCKET else made


def _find(node: Node, path: bytes) -> bytes | None:
    depth = 0
    while isinstance(node, Branch):
        node = node.children[_nibble(path, depth)]
        depth += 1
    return next((value for held, _, value in node.items if held == path), None)


class Tree(Struct, frozen=True):
    """The map from keys to bytes, with `root`, its digest."""

    node: Node = _EMPTY

    @property
    def root(self) -> bytes:
        """SHA-256 over the whole content: equal roots mean equal content."""
        return self.node.digest

    def __len__(self) -> int:
        return self.node.size

    def get(self, key: str) -> bytes | None:
        """The bytes under `key`, or None."""
        return _find(self.node, sha256(key.encode()).digest())

    def put(self, key: str, value: bytes) -> Tree:
        """A tree with `value` under `key`; this very tree when it stands there already."""
        path = sha256(key.encode()).digest()
        if _find(self.node, path) == value:
            return self
        return Tree(_replace(self.node, path, (path, key, value), 0))

    def drop(self, key: str) -> Tree:
        """A tree without `key`; removing the absent succeeds."""
        path = sha256(key.encode()).digest()
        if _find(self.node, path) is None:
            return self
        return Tree(_replace(self.node, path, None, 0))

    def items(self) -> Iterator[tuple[str, bytes]]:
        """Every key and its bytes, in the order of the hashes of the keys."""
        return ((key, value) for _, key, value in _items(self.node))

    def apply(self, changed: Mapping[str, bytes], removed: frozenset[str] = frozenset()) -> Tree:
        """A tree after all of these changes."""
        tree = self
        for key in sorted(removed):
            tree = tree.drop(key)
        for key, value in changed.items():
            tree = tree.put(key, value)
        return tree


def tree_of(content: Mapping[str, bytes]) -> Tree:
    """A tree of this content, built in one pass."""
    items = sorted((sha256(key.encode()).digest(), key, value) for key, value in content.items())
    return Tree(_build(tuple(items), 0))


class Change(Struct, frozen=True):
    """What must be done to one tree to get another."""

    changed: dict[str, bytes]
    removed: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.changed or self.removed)


def compare(old: Tree, new: Tree) -> Change:
    """The change from `old` to `new`; its cost is that of the branches that differ."""
    changed: dict[str, bytes] = {}
    removed: set[str] = set()
    _compare(old.node, new.node, changed, removed)
    return Change(changed, frozenset(removed))


def _compare(old: Node, new: Node, changed: dict[str, bytes], removed: set[str]) -> None:
    if old is new or old.digest == new.digest:
        return
    if isinstance(old, Branch) and isinstance(new, Branch):
        for before, after in zip(old.children, new.children, strict=True):
            _compare(before, after, changed, removed)
        return
    before_items = {key: value for _, key, value in _items(old)}
    after_items = {key: value for _, key, value in _items(new)}
    changed.update({k: v for k, v in after_items.items() if before_items.get(k) != v})
    removed.update(before_items.keys() - after_items.keys())

"""The hash tree: content decides the root, never the path to it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from federation.session.tree import BUCKET, Tree, compare, tree_of

KEYS = st.integers(0, 400).map(lambda n: f"slice/shop/web-{n}")
STEPS = st.lists(st.tuples(KEYS, st.one_of(st.none(), st.binary(max_size=3))), max_size=300)


def walk(steps: list[tuple[str, bytes | None]]) -> tuple[Tree, dict[str, bytes]]:
    tree, plain = Tree(), dict[str, bytes]()
    for key, value in steps:
        if value is None:
            tree = tree.drop(key)
            plain.pop(key, None)
        else:
            tree = tree.put(key, value)
            plain[key] = value
    return tree, plain


@settings(deadline=None, derandomize=True)
@given(STEPS)
def test_the_root_depends_on_content_alone(steps: list[tuple[str, bytes | None]]) -> None:
    tree, plain = walk(steps)
    assert tree.root == tree_of(plain).root
    assert dict(tree.items()) == plain
    assert len(tree) == len(plain)


@settings(deadline=None, derandomize=True)
@given(STEPS, STEPS)
def test_a_comparison_leads_from_one_tree_to_the_other(
    first: list[tuple[str, bytes | None]], second: list[tuple[str, bytes | None]]
) -> None:
    old, new = walk(first)[0], walk(second)[0]
    change = compare(old, new)
    assert old.apply(change.changed, change.removed).root == new.root
    assert bool(change) == (old.root != new.root)


def test_a_change_shares_every_other_branch() -> None:
    old = tree_of({f"k{n}": b"%d" % n for n in range(BUCKET * 400)})
    new = old.put("k7", b"other")
    shared = sum(a is b for a, b in zip(old.node.children, new.node.children, strict=True))  # type: ignore[union-attr]
    assert shared == 15
    assert compare(old, new).changed == {"k7": b"other"}


def test_putting_what_stands_there_is_no_change() -> None:
    tree = Tree().put("a", b"1")
    assert tree.put("a", b"1") is tree
    assert tree.drop("b") is tree

"""The order of writes."""

from federation.adapters.kube.queue import WriteQueue

A, B, C = (("Service", "shop", name) for name in "abc")


def test_deletes_wait_until_every_apply_was_tried() -> None:
    queue = WriteQueue()
    queue.note(A, wanted=False)
    queue.note(B, wanted=True)
    queue.note(C, wanted=True)
    assert (queue.take(), queue.take(), queue.take()) == (B, C, None)
    queue.done(B)
    assert queue.take() is None
    queue.done(C)
    assert queue.take() == A


def test_an_object_is_looked_at_once_and_never_twice_at_a_time() -> None:
    queue = WriteQueue()
    for _ in range(3):
        queue.note(A, wanted=True)
    assert (queue.take(), queue.take()) == (A, None)
    queue.note(A, wanted=True)
    assert queue.take() is None
    queue.done(A)
    assert queue.take() == A
    queue.done(A)
    assert (queue.take(), len(queue)) == (None, 0)


def test_the_last_word_counts() -> None:
    queue = WriteQueue()
    queue.note(A, wanted=False)
    queue.note(A, wanted=True)
    queue.note(B, wanted=False)
    assert (queue.take(), queue.take()) == (A, None)
    queue.done(A)
    assert queue.take() == B


def test_an_apply_that_hangs_holds_back_deletes_of_its_own_service_only() -> None:
    queue = WriteQueue()
    queue.note(A, wanted=True, owner="shop/web")
    assert queue.take() == A
    queue.note(B, wanted=False, owner="shop/web")
    queue.note(C, wanted=False, owner="shop/api")
    assert (queue.take(), queue.take()) == (C, None)
    queue.done(A)
    assert queue.take() == B


def test_a_delete_of_no_known_owner_waits_for_every_apply() -> None:
    queue = WriteQueue()
    queue.note(A, wanted=True, owner="shop/web")
    queue.note(B, wanted=False)
    assert (queue.take(), queue.take()) == (A, None)
    queue.done(A)
    assert queue.take() == B


def test_an_apply_that_is_not_wanted_any_more_holds_back_nothing() -> None:
    queue = WriteQueue()
    queue.note(A, wanted=True, owner="shop/web")
    queue.note(A, wanted=True, owner="shop/web")
    queue.note(B, wanted=False, owner="shop/web")
    queue.note(A, wanted=False, owner="shop/web")
    assert queue.take() == B
    assert queue.take() == A
    queue.done(A)
    queue.done(B)
    assert (len(queue), queue.take()) == (0, None)

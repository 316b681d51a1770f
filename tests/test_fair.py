"""A queue in which nobody's length makes another wait."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from trueodds_service.fair import FairQueue


def taken(queue, count):
    return [queue.take() for _ in range(count)]


def test_each_owner_has_its_own_order():
    queue = FairQueue(quantum=10)
    for number in range(5):
        queue.add("a", ("a", number), 10)
        queue.add("b", ("b", number), 10)
    order = taken(queue, 10)
    for owner in "ab":
        assert [number for of, number in order if of == owner] == [*range(5)]
    assert not queue


def test_who_has_queued_a_thousand_is_not_ahead_of_who_comes_with_one():
    queue = FairQueue(quantum=10)
    for number in range(1000):
        queue.add("many", ("many", number), 10)
    queue.add("one", ("one", 0), 10)
    assert ("one", 0) in taken(queue, 3)


def test_owners_get_as_much_in_tokens_and_not_in_items():
    queue = FairQueue(quantum=100)
    for number in range(100):
        queue.add("long", ("long", number), 300)
        queue.add("short", ("short", number), 30)
    got = Counter()
    for owner, _ in taken(queue, 60):
        got[owner] += 300 if owner == "long" else 30
    assert abs(got["long"] - got["short"]) <= 300 + 100


def test_who_was_away_has_saved_nothing_up():
    queue = FairQueue(quantum=10)
    for number in range(100):
        queue.add("a", ("a", number), 10)
    queue.add("b", ("b", -1), 10)
    taken(queue, 50)
    for number in range(50):
        queue.add("b", ("b", number), 10)
    got = Counter(owner for owner, _ in taken(queue, 20))
    assert abs(got["a"] - got["b"]) <= 2, "a turn"


def test_who_comes_with_little_is_first_and_who_comes_with_as_much_takes_turns():
    queue = FairQueue(quantum=100)
    for number in range(1000):
        queue.add("many", ("many", number), 10)
    taken(queue, 30)
    queue.add("few", ("few", 0), 10)
    assert queue.take() == ("few", 0)
    for number in range(1, 50):
        taken(queue, 5)
        queue.add("few", ("few", number), 10)
        assert queue.take() == ("few", number)
    got = Counter()
    for number in range(300):
        queue.add("greedy", ("greedy", number), 10)  # who always has something queued
        got[queue.take()[0]] += 1
    assert abs(got["many"] - got["greedy"]) <= 20


def test_those_who_come_are_served_in_their_order():
    queue = FairQueue(quantum=10)
    for number in range(100):
        queue.add("many", number, 10)
    taken(queue, 2)
    for owner in "abcde":
        queue.add(owner, owner, 5)
    assert taken(queue, 5) == [*"abcde"]


def test_large_items_one_at_a_time_are_paid_for():
    queue = FairQueue(quantum=10)
    for number in range(3000):
        queue.add("many", ("many", number), 10)
    got = Counter()
    for number in range(600):
        if "large" not in queue:
            queue.add("large", ("large", number), 320)
        owner, _ = queue.take()
        got[owner] += 320 if owner == "large" else 10
    assert abs(got["many"] - got["large"]) <= 2 * 320


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 400)), min_size=1))
def test_while_both_have_something_queued_neither_gets_further_than_an_item_and_two_turns(added):
    queue, quantum = FairQueue(quantum=50), 50
    sizes = {}
    for number, (owner, size) in enumerate(added):
        queue.add(owner, number, size)
        sizes[number] = owner, size
    got = Counter()
    while all(owner in queue for owner in {owner for owner, _ in added}):
        owner, size = sizes[queue.take()]
        got[owner] += size
    most = max(size for _, size in added)
    shares = [got[owner] for owner in {owner for owner, _ in added}]
    assert max(shares) - min(shares) <= 2 * quantum + 2 * most


def test_what_is_ahead_of_who_owes_is_more():
    queue = FairQueue(quantum=10)
    for number in range(1000):
        queue.add("many", number, 10)
    queue.add("large", "large", 500)
    while "large" in queue:
        queue.take()
    assert queue.ahead_of("large") > 400
    assert queue.ahead_of("new") <= 10
    for owner in "abc":
        queue.add(owner, owner, 10)
    assert 30 <= queue.ahead_of("new") <= 40


def test_large_items_are_as_fair():
    queue = FairQueue(quantum=10)
    for number in range(300):
        queue.add("large", ("large", number), 1000)
        queue.add("small", ("small", number), 7)
    got = Counter()
    for owner, _ in taken(queue, 200):
        got[owner] += 1000 if owner == "large" else 7
    assert abs(got["large"] - got["small"]) <= 1000 + 20


def test_what_was_removed_is_not_taken_and_leaves_no_trace():
    queue = FairQueue()
    queue.add("a", 1, 5)
    queue.add("a", 2, 5)
    queue.remove("a", 1)
    queue.remove("a", 1)
    queue.remove("nobody", 1)
    assert queue.first() == (2, 5)
    assert queue.size == 5
    assert queue.take() == 2
    assert not queue
    assert queue.size == 0


def test_only_so_much_of_the_others_is_ahead_as_fairness_lets_through():
    queue = FairQueue(quantum=10)
    for number in range(1000):
        queue.add("many", number, 10)
    assert queue.ahead_of("many") == 10_000
    assert queue.ahead_of("one") == 10

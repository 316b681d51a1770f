"""What of a stream is under way, with a clock of the test's own."""

import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2
from tests.clock import Clock

from trueodds import ServiceFailed, Unavailable
from trueodds._stream.flight import FAULTS, FIRST_PAUSE, LONGEST_PAUSE, MOST_FAULTY, Flight
from trueodds.errors import DeadlineExceeded, InvalidRequest
from trueodds.v1 import scoring_pb2

LOST = Unavailable("gone")
FAULT = status_pb2.Status(code=code_pb2.INTERNAL)
AWAY = status_pb2.Status(code=code_pb2.UNAVAILABLE)


@pytest.fixture
def clock():
    return Clock(1000.0)


@pytest.fixture
def flight(clock):
    return lambda window=3, patience=60.0, ordered=True: Flight(
        window, patience, ordered=ordered, clock=clock
    )


def sent(flight, *keys):
    return [flight.add(key, scoring_pb2.StreamScoreRequest()).batch_id for key in keys]


def answer(batch_id, **parts):
    return scoring_pb2.StreamScoreResponse(batch_id=batch_id, **parts)


def keys(answered):
    return [key for key, _ in answered]


def test_no_more_than_the_window_goes(flight):
    flight = flight(window=2)
    first, _ = sent(flight, "a", "b")
    assert not flight.has_room
    flight.answered(answer(first))
    assert flight.has_room


def test_answers_wait_for_those_before_them_and_take_room(flight):
    flight = flight(window=2)
    first, second = sent(flight, "a", "b")
    assert flight.answered(answer(second)) == []
    for _ in range(7):
        assert flight.has_room
        [later] = sent(flight, "later")
        flight.answered(answer(later))
    assert not flight.has_room, "one that does not come back must not pile up the others"
    assert keys(flight.answered(answer(first))) == ["a", "b"] + ["later"] * 7
    assert not flight


def test_answers_come_as_they_are_where_order_does_not_matter(flight):
    flight = flight(ordered=False)
    first, second = sent(flight, "a", "b")
    assert keys(flight.answered(answer(second))) == ["b"]
    assert keys(flight.answered(answer(first))) == ["a"]


def fails_at(flight, clock, wrong, count):
    """Answers all but what holds the questions in ``wrong``; the answers that come of it."""
    batch = scoring_pb2.StreamScoreRequest(questions=[{"text": str(n)} for n in range(count)])
    due, given, sizes = [flight.add("key", batch)], [], []
    while due:
        for request in due:
            texts = [each.text for each in request.questions]
            sizes.append(len(texts))
            parts = {"outcomes": [{"answer": {"calibrator": text}} for text in texts]}
            if wrong & {*map(int, texts)}:
                parts = {"error": FAULT}
            given += flight.answered(answer(request.batch_id, **parts))
        clock.now += LONGEST_PAUSE
        due = flight.again()
    return given, sizes


def test_what_the_service_fails_at_goes_again_and_then_in_halves(flight, clock):
    flight = flight()
    [(key, response)], sizes = fails_at(flight, clock, {3}, 8)
    assert (key, len(response.outcomes)) == ("key", 8)
    assert response.outcomes[3].error == FAULT
    answered = [each.answer.calibrator for each in response.outcomes]
    assert answered == ["0", "1", "2", "", "4", "5", "6", "7"]
    assert sizes == [8] * FAULTS + [4, 4, 2, 2, 1, 1]
    assert not flight


def test_who_fails_at_one_question_after_another_is_given_up(flight, clock):
    fails_at(flight(), clock, {*range(MOST_FAULTY)}, MOST_FAULTY)
    with pytest.raises(ServiceFailed):
        fails_at(flight(patience=1e6), clock, {*range(MOST_FAULTY + 1)}, MOST_FAULTY + 1)


def test_what_is_wrong_with_a_half_is_wrong_with_all(flight, clock):
    flight = flight(ordered=False)
    batch = scoring_pb2.StreamScoreRequest(questions=[{}] * 2)
    due = [flight.add("key", batch)]
    for _ in range(FAULTS):
        assert flight.answered(answer(due[0].batch_id, error=FAULT)) == []
        clock.now += LONGEST_PAUSE
        due = flight.again()
    wrong = status_pb2.Status(code=code_pb2.NOT_FOUND)
    [(key, response)] = flight.answered(answer(due[0].batch_id, error=wrong))
    assert (key, response.error) == ("key", wrong)
    assert flight.answered(answer(due[1].batch_id, error=wrong)) == []
    assert not flight


def test_a_broken_stream_sends_again_only_what_has_no_answer(flight, clock):
    flight = flight()
    first, second, third = sent(flight, "a", "b", "c")
    flight.answered(answer(second))
    flight.lost(LOST)
    assert flight.again() == []
    assert flight.pause() == pytest.approx(FIRST_PAUSE)
    clock.now += FIRST_PAUSE
    assert [each.batch_id for each in flight.again()] == [first, third]
    assert flight.again() == []
    assert flight.pause() is None


def test_an_answer_that_comes_twice_is_given_once(flight):
    flight = flight(ordered=False)
    [first] = sent(flight, "a")
    assert keys(flight.answered(answer(first))) == ["a"]
    assert flight.answered(answer(first)) == []


@pytest.mark.parametrize("parts", [{"error": AWAY}, {"outcomes": [{"error": AWAY}]}])
def test_a_batch_that_found_nobody_goes_again(flight, clock, parts):
    flight = flight()
    first, _ = sent(flight, "a", "b")
    assert flight.answered(answer(first, **parts)) == []
    clock.now += FIRST_PAUSE
    assert [each.batch_id for each in flight.again()] == [first]


def test_another_error_is_an_answer(flight):
    flight = flight()
    [first] = sent(flight, "a")
    wrong = status_pb2.Status(code=code_pb2.INVALID_ARGUMENT)
    assert keys(flight.answered(answer(first, error=wrong))) == ["a"]


def test_pauses_grow_to_a_bound_and_begin_anew_after_an_answer(flight, clock):
    flight = flight(patience=1000.0)
    first, _ = sent(flight, "a", "b")
    pauses = []
    for _ in range(8):
        flight.lost(LOST)
        flight.lost(LOST)  # what fails together counts once
        pauses.append(flight.pause())
        clock.now += pauses[-1]
        flight.again()
    assert pauses[:3] == pytest.approx([FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE])
    assert pauses[-1] == pytest.approx(LONGEST_PAUSE)
    flight.answered(answer(first))
    flight.lost(LOST)
    assert flight.pause() == pytest.approx(FIRST_PAUSE)


def test_patience_ends_unless_something_comes_back(flight, clock):
    flight = flight(patience=60.0)
    first, _ = sent(flight, "a", "b")
    flight.lost(LOST)
    clock.now += 59
    flight.lost(LOST)
    flight.answered(answer(first))
    clock.now += 59
    flight.lost(LOST)
    clock.now += 61
    with pytest.raises(Unavailable, match="gone"):
        flight.lost(LOST)


def test_what_cannot_be_mended_is_raised_at_once(flight):
    flight = flight()
    sent(flight, "a")
    with pytest.raises(InvalidRequest):
        flight.lost(InvalidRequest("no"))


def test_patience_may_be_as_long_as_one_likes(flight, clock):
    flight = flight(patience=1e6)
    sent(flight, "a")
    for _ in range(1100):
        flight.lost(LOST)
        clock.now += flight.pause()
        flight.again()
    flight.lost(LOST)
    assert flight.pause() == LONGEST_PAUSE


def told_to_come_back(seconds):
    status = status_pb2.Status(code=code_pb2.RESOURCE_EXHAUSTED)
    delay = error_details_pb2.RetryInfo()
    delay.retry_delay.FromMilliseconds(round(1000 * seconds))
    status.details.add().Pack(delay)
    return status


def test_a_stream_comes_back_when_the_server_says(flight, clock):
    flight = flight()
    first, second = sent(flight, "a", "b")
    flight.answered(answer(first, error=told_to_come_back(20)))
    assert flight.pause() == pytest.approx(20)
    flight.answered(answer(second, error=told_to_come_back(30)))
    assert flight.pause() == pytest.approx(30), "what fails together comes back together"
    clock.now += 30
    assert len(flight.again()) == 2


def test_a_stream_does_not_wait_longer_than_its_patience(flight):
    flight = flight(patience=60.0)
    [first] = sent(flight, "a")
    with pytest.raises(Unavailable):
        flight.answered(answer(first, error=told_to_come_back(61)))


def test_an_idle_line_that_is_ended_as_late_is_opened_again(flight, clock):
    """By a proxy, while all that was sent has been told to come back."""
    flight = flight()
    [first] = sent(flight, "a")
    flight.answered(answer(first, error=AWAY))
    flight.lost(DeadlineExceeded("late"))
    clock.now += LONGEST_PAUSE
    assert [each.batch_id for each in flight.again()] == [first]

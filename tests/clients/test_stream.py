"""Streams of both clients, to a server that breaks them off: each test holds for both."""

import itertools

import grpc
import pytest

from trueodds import (
    Answer,
    AsyncClient,
    DeadlineExceeded,
    Format,
    InvalidRequest,
    NotFound,
    Question,
    ServiceFailed,
    TokenIds,
)
from trueodds._channel import BATCH, STREAM_WINDOW


@pytest.fixture
def questions():
    return [Question(f"Is {number} even?", ("yes", "no")) for number in range(5 * BATCH + 3)]


def both(client, questions, **options):
    return list(client.score_stream(questions, model="aligned", **options))


def test_a_stream_answers_as_a_batch_does(relay, client, connect, questions):
    expected = client.score_batch(questions, model="aligned", task="t", reading=Format.LETTER)
    found = both(connect(relay.address), questions, task="t", reading=Format.LETTER)
    assert found == list(enumerate(expected))
    assert relay.received == [BATCH] * 5 + [3]


def test_order_is_kept_unless_told_otherwise(relay, connect, questions):
    relay.backwards = True
    client = connect(relay.address)
    assert [index for index, _ in both(client, questions)] == list(range(len(questions)))
    as_they_come = [index for index, _ in both(client, questions, ordered=False)]
    assert as_they_come[0] == 2 * BATCH
    assert sorted(as_they_come) == list(range(len(questions)))


@pytest.mark.parametrize("code", ["UNAVAILABLE", "CANCELLED", "INTERNAL", "UNKNOWN"])
def test_a_stream_that_breaks_goes_on_where_it_was(relay, client, connect, questions, code):
    relay.break_after, relay.breaks_off = [2, 0, 1], grpc.StatusCode[code]
    found = both(connect(relay.address), questions)
    assert found == list(enumerate(client.score_batch(questions, model="aligned")))
    assert relay.streams == 4
    # Three answers came before the last stream: what they are for did not travel again.
    assert relay.received[-3:] == [BATCH, BATCH, 3]


def test_a_batch_that_is_told_to_come_back_does(relay, connect, questions):
    relay.refuse = 3
    found = both(connect(relay.address), questions)
    assert [index for index, _ in found] == list(range(len(questions)))
    assert all(isinstance(outcome, Answer) for _, outcome in found)


def test_the_timeout_is_for_answers_and_not_for_pauses(relay, connect, questions, monkeypatch):
    monkeypatch.setattr("trueodds._stream.flight.FIRST_PAUSE", 0.2)
    relay.refuse = 3
    found = both(connect(relay.address, timeout=0.3), questions[:3])
    assert [index for index, _ in found] == [0, 1, 2]


def test_a_fault_that_passes_leaves_no_trace(start_faulty, connect, client, questions):
    client = connect(start_faulty(faults=5).app.address)
    assert all(isinstance(outcome, Answer) for _, outcome in both(client, questions))


def test_only_the_question_at_which_the_service_fails_has_its_error(
    start_faulty, connect, questions
):
    client = connect(start_faulty(longest=200).app.address)
    expected = client.score_batch(questions, model="aligned")
    guilty = [0, 5, BATCH + 1, len(questions) - 1]
    for index in guilty:
        questions[index] = Question("word " * 100, ("yes", "no"))
    for (index, outcome), answer in zip(both(client, questions), expected, strict=True):
        assert isinstance(outcome, ServiceFailed) if index in guilty else outcome == answer


def test_a_service_that_fails_at_everything_is_given_up(
    start_faulty, connect, questions, monkeypatch
):
    monkeypatch.setattr("trueodds._stream.flight.MOST_FAULTY", 8)
    with pytest.raises(ServiceFailed):
        both(connect(start_faulty(longest=0).app.address), questions)


def test_a_question_that_cannot_be_scored_has_its_error_in_its_place(relay, connect, questions):
    questions[BATCH + 1] = Question("", ("yes", "no"))
    found = dict(both(connect(relay.address), questions))
    error = found.pop(BATCH + 1)
    assert isinstance(error, InvalidRequest)
    assert error.field == f"questions[{BATCH + 1}].text"
    assert all(isinstance(outcome, Answer) for outcome in found.values())


def test_what_is_wrong_with_all_is_raised(relay, connect, questions):
    client = connect(relay.address)
    with pytest.raises(NotFound):
        list(client.score_stream(questions, model="nobody"))
    with pytest.raises(InvalidRequest) as caught:
        both(client, questions, task=" x")
    assert caught.value.field == "settings.task"


def test_a_server_that_says_nothing_is_given_up(relay, connect, questions):
    relay.silent.set()
    with pytest.raises(DeadlineExceeded, match="raise the timeout"):
        both(connect(relay.address, timeout=0.3), questions)


def test_who_gives_up_takes_the_work_out_of_the_engine(stuck, connect, questions):
    service, engine = stuck
    # Timeouts can pass before the engine is asked, on a busy machine: then longer ones.
    for timeout in (0.3, 3, 30):
        with pytest.raises(DeadlineExceeded):
            both(connect(service.app.address, timeout=timeout), questions)
        if engine.took.is_set():
            break
    assert engine.gave_up.wait(60)


def test_no_questions_are_no_answers(relay, connect):
    assert both(connect(relay.address), []) == []


def test_questions_are_read_as_they_are_needed(relay, run):
    read = []

    def endless():
        for number in itertools.count():
            read.append(number)
            yield Question(f"Is {number} even?", ("yes", "no"))

    async def take(count):
        async with AsyncClient(relay.address) as client:
            stream = client.score_stream(endless(), model="aligned")
            taken = [await anext(stream) for _ in range(count)]
            await stream.aclose()
            return taken

    assert [index for index, _ in run(take(10))] == list(range(10))
    assert len(read) <= (STREAM_WINDOW + 1) * BATCH


def test_asyncio_takes_questions_from_an_asynchronous_iterator(relay, run):
    async def source():
        for number in range(3):
            yield Question(f"Is {number} even?", ("yes", "no"))

    async def ask():
        async with AsyncClient(relay.address) as client:
            return [index async for index, _ in client.score_stream(source(), model="aligned")]

    assert run(ask()) == [0, 1, 2]


def test_what_fails_in_the_source_comes_out(relay, connect):
    def source():
        yield Question("Is 1 even?", ("yes", "no"))
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        both(connect(relay.address), source())


# Tokens


def test_one_prompt_alone_is_not_taken_for_its_characters(client):
    with pytest.raises(TypeError, match=r"^prompts has to be a list"):
        client.tokenize("Tin?", model="aligned")


def test_prompts_are_tokenized_in_their_order(client):
    prompts = [f"Is {number} even?" for number in range(BATCH + 5)]
    found = client.tokenize([*prompts, TokenIds([3, 4])], model="aligned")
    assert found[-1] == (3, 4)
    assert len(found) == len(prompts) + 1
    assert found[7] == client.tokenize(prompts[7:8], model="aligned")[0]
    assert len({*found}) == len(found)


def test_a_prompt_that_is_none_is_named(client):
    for wrong in (1, BATCH + 3):
        prompts = ["x"] * wrong + [""] + ["x"] * 3
        with pytest.raises(InvalidRequest) as caught:
            client.tokenize(prompts, model="aligned")
        assert caught.value.field == f"prompts[{wrong}].text"
        assert str(caught.value).startswith(f"prompts[{wrong}].text: ")
    with pytest.raises(NotFound):
        client.tokenize(["x"], model="nobody")


def test_messages_are_as_small_as_the_server_wants_them(start_service, connect):
    client = connect(start_service(limits={"max_items": 3}).app.address)
    asked = [Question(f"Is {number} even?", ("yes", "no")) for number in range(8)]
    assert [index for index, _ in both(client, asked)] == list(range(8))
    assert len(client.tokenize(["x"] * 8, model="aligned")) == 8

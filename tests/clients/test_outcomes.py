"""Receipts, outcomes and drift, by the library and by the command."""

import json
from dataclasses import replace

import pytest
from tests.told import active, tell

from trueodds import AsyncClient, DeliveryState, InvalidRequest, Method, Outcome, Promise
from trueodds_service.store import Proposal


@pytest.fixture
def calibrator(client, task):
    """An active calibrator of the test's own task."""
    return client.fit(model="aligned", task=task, method=Method.CONSTANT, options=4, activate=True)


@pytest.fixture
def receipts(client, ask, task):
    def receipts(count):
        answers = client.score_batch(
            [ask(f"Which, number {place}?") for place in range(count)],
            model="aligned",
            task=task,
            receipts=True,
        )
        return [answer.receipt for answer in answers]

    return receipts


def test_outcomes_and_drift(client, calibrator, receipts):
    one, two, three = receipts(3)
    told = [Outcome(one, 0), Outcome(two, None), Outcome(b"none", 0), Outcome(three, 3)]
    found = client.record_outcomes(told)
    assert (found.recorded, found.corrected, found.unchanged) == (3, 0, 0)
    [(place, error)] = found.errors
    assert (place, error.reason, error.field) == (2, "BAD_RECEIPT", "outcomes[2].receipt")
    drift = client.drift(calibrator.name, window=1)
    assert (drift.outcomes, drift.unknown) == (2, 1)
    assert (drift.since_first.outcomes, drift.window.outcomes) == (2, 1)
    assert drift.since_first.start <= drift.since_first.end
    assert {each.promise for each in drift.tests} == {*Promise}
    assert not drift.alarms
    assert drift.calibrator.name == calibrator.name


def test_outcomes_of_several_messages_have_their_places(client, monkeypatch, calibrator, receipts):
    monkeypatch.setattr("trueodds._convert.outcomes._A_MESSAGE", 2)
    good = receipts(3)
    told = [Outcome(good[0], 0), Outcome(good[1], 0), Outcome(good[2], 0), Outcome(b"none", 0)]
    found = client.record_outcomes(told)
    assert found.recorded == 3
    assert [place for place, _ in found.errors] == [3]


@pytest.mark.parametrize("window", [0, -1])
def test_a_window_of_nothing_is_none(client, calibrator, window):
    with pytest.raises(InvalidRequest) as caught:
        client.drift(calibrator.name, window=window)
    assert caught.value.field == "window"


def test_no_outcome_is_no_call(client):
    assert client.record_outcomes([]).recorded == 0


def test_the_command_from_answers_to_drift(command, write, task, client, calibrator):
    file = write({"question": "Is it?", "options": ["a", "b", "c", "d"]})
    scored = command("score", "aligned", file, "--task", task, "--receipts")
    assert scored.exit_code == 0, scored.output
    receipt = json.loads(scored.stdout)["receipt"]
    rows = [{"receipt": receipt, "answer": None}, {"receipt": receipt, "answer": 1, "id": 7}]
    file = write(*rows, name="outcomes.jsonl")
    told = command("outcomes", file)
    assert (told.exit_code, told.stdout) == (0, "1 new, 0 corrected, 1 known already\n")
    shown = command("drift", calibrator.name)
    assert shown.exit_code == 0, shown.output
    assert "1 outcomes, 0 unknown" in shown.stdout


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"id": "a", "answer": 0, "answer": 1}', "line 1: has 'answer' twice"),
        ("nothing", "line 1: is no JSON object"),
        ('["a"]', "line 1: is no JSON object"),
        ('{"receipt": "AA=="}', "line 1: has no 'answer'"),
        ('{"answer": 1}', "line 1: has no 'receipt' and no 'id'"),
        ('{"id": true, "answer": 1}', "line 1: id: is a text"),
        ('{"receipt": "AA==", "answer": true}', "line 1: answer: is the index"),
        ('{"receipt": "AA==", "answer": "B"}', "line 1: answer: is the index"),
        ('{"receipt": "AA==", "answer": -1}', "line 1: answer: is the index"),
        ('{"id": "a", "answer": 4294967296}', "line 1: answer: is the index"),
        ('{"receipt": "not base64", "answer": 1}', "line 1: receipt: is not as"),
        ('{"receipt": 7, "answer": 1}', "line 1: receipt: is not as"),
    ],
)
def test_a_line_that_is_no_outcome_is_told(command, write, line, said):
    told = command("outcomes", write(line))
    assert told.exit_code == 2
    assert said in told.output


def test_an_outcome_that_nobody_answered_is_told(command, write):
    told = command("outcomes", write({"receipt": "AAAA", "answer": 1}))
    assert told.exit_code == 1
    assert "outcomes[0].receipt" in told.output


@pytest.fixture
def alerted(client, service, task):
    """A calibrator that says 0.9 and is right half of the time, found so; its name."""
    calibrator = active(service, task)
    tell(service, calibrator, share=0.5, count=100)
    service.run(service.app._alerts.look())
    return calibrator.name


def test_alerts_of_a_model_and_of_a_calibrator(client, alerted, task):
    found = list(client.alerts("aligned", calibrator=alerted))
    assert Promise.TOO_HIGH in {each.promise for each in found}
    assert {each.calibrator for each in found} == {alerted}
    assert {each.task for each in found} == {task}
    first = found[0]
    assert first.created == max(each.created for each in found)
    assert first.expected == pytest.approx(0.9, abs=0.5)
    assert first.delivery.state is DeliveryState.NONE
    assert first.proposal is not None
    assert (first.proposal.calibrator, first.proposal.activated) == (None, False)
    assert {each.id for each in found} <= {each.id for each in client.alerts("models/aligned")}
    assert list(client.alerts("base")) == []


async def test_alerts_by_the_asyncio_client(service, alerted):
    async with AsyncClient(service.app.address) as client:
        short = alerted.rpartition("/")[2][:12]
        found = [each async for each in client.alerts("aligned", calibrator=short)]
    assert {each.calibrator for each in found} == {alerted}


def test_the_command_shows_alerts_and_the_proposal(command, service, alerted, client):
    told = command("alerts", "aligned", "--calibrator", alerted)
    assert told.exit_code == 0, told.output
    assert "confidences are too high" in told.stdout
    service.run(service.app._checks._proposals.propose())
    told = command("alerts", "aligned", "--calibrator", alerted).stdout
    assert f"{alerted}: no proposal yet: 0 of 400 outcomes since the alert\n" in told
    assert told.count("no proposal yet") == 1, "one for all alerts"
    identifier = alerted.rpartition("/")[2]
    other = client.fit(model="aligned", method=Method.CONSTANT, temperature=3.5, options=2)
    service.app._alerts.store.propose(
        identifier,
        Proposal(
            proposed=other.name.rpartition("/")[2],
            fitted=200,
            held_out=201,
            differences={"brier": (-0.1, -0.15, -0.05)},
            activated=True,
        ),
    )
    told = command("alerts", "aligned", "--calibrator", identifier).stdout
    assert f"{other.name} is proposed, activated; its Brier score" in told
    assert "on 201 outcomes that neither was fitted on: -0.1000 (-0.1500 to -0.0500)\n" in told
    [first, *_] = client.alerts("aligned", calibrator=identifier)
    assert first.proposal.differences["brier"].upper == -0.05


@pytest.fixture
def taught(client, ask, task):
    """A calibrator that a teacher's questions have made, and fresh questions."""
    questions = [ask(f"Of the fit, number {place}?") for place in range(40)]
    fitted = client.fit(questions, model="aligned", task=task)
    return fitted, [ask(f"Fresh, number {place}?") for place in range(30)]


def test_a_check_of_fresh_questions(client, taught):
    calibrator, fresh = taught
    told = []
    found = client.check(calibrator.name, fresh, propose=True, progress=lambda *at: told.append(at))
    assert (found.questions, found.fit_questions) == (30, 40)
    assert found.teacher == "models/base"
    assert found.p_value == 1
    assert found.proposal.fitted == 30
    assert found.proposal.note.startswith("not compared: 0 of 200 outcomes")
    assert told[-1] == (60, 60)
    drift = client.drift(calibrator.name)
    assert drift.checks == (found,)
    assert {each.promise for each in drift.tests} == {*Promise}
    assert not drift.alarms


async def test_a_check_by_the_asyncio_client(service, taught):
    calibrator, fresh = taught
    async with AsyncClient(service.app.address) as client:
        found = await client.check(calibrator.name, fresh)
        assert found == await client.check(calibrator.name, fresh)
    assert found.proposal is None


def test_the_command_asks_fresh_questions(command, write, taught):
    calibrator, fresh = taught
    rows = [{"question": each.text, "options": list(each.options)} for each in fresh]
    told = command("drift", calibrator.name, "--questions", write(*rows), "--propose")
    assert told.exit_code == 0, told.output
    said = "models/base disagrees on 0 of 30 questions; of the fit's, on 0 of 40: p = 1"
    assert said in told.stdout
    assert "is proposed; not compared: 0 of 200 outcomes" in told.stdout
    assert "the teacher disagrees otherwise than at the fit" in told.stdout
    alone = command("drift", calibrator.name, "--propose")
    assert (alone.exit_code, "takes --questions" in alone.output) == (2, True)


def test_an_answer_is_kept_by_an_id_and_its_outcome_told_by_it(client, ask, calibrator, task):
    question = replace(ask("Which one is it?"), answer_id=f"{task} 1")
    assert client.score(question, model="aligned", task=task).kept
    assert client.score(ask("Which one?"), model="aligned", task=task).kept is None
    found = client.record_outcomes([Outcome(f"{task} 1", 2), Outcome(f"{task} 2", 2)])
    assert found.recorded == 1
    [(place, error)] = found.errors
    assert (place, error.reason) == (1, "ANSWER_NOT_KEPT")
    assert client.drift(calibrator.name).outcomes == 1


def test_the_command_keeps_answers_by_the_ids_of_rows(command, write, task, calibrator):
    row = {"question": "Is it?", "options": ["a", "b", "c", "d"]}
    file = write({**row, "id": f"{task} 1"}, {**row, "id": f"{task} 2"})
    scored = command("score", "aligned", file, "--task", task, "--keep")
    assert scored.exit_code == 0, scored.output
    assert [json.loads(line)["kept"] for line in scored.stdout.splitlines()] == [True, True]
    rows = [{"id": f"{task} {number}", "answer": number} for number in (1, 2)]
    told = command("outcomes", write(*rows, name="outcomes.jsonl"))
    assert (told.exit_code, told.stdout) == (0, "2 new, 0 corrected, 0 known already\n")
    without = command("score", "aligned", write(row), "--task", task, "--keep")
    assert (without.exit_code, "has no id" in without.output) == (2, True)
    twice = command("score", "aligned", write(*[{**row, "id": task}] * 2), "--keep")
    assert (twice.exit_code, "line 2 has the id of line 1" in twice.output) == (2, True)

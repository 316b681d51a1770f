"""Every method of the contract as JSON, answered as over gRPC."""

import json
import socket
import threading
import time
from contextlib import suppress

import httpx
import pytest
from google.protobuf import json_format

from trueodds.v1 import calibration_pb2, model_pb2, scoring_pb2

SCORE = "/trueodds.v1.ScoringService/Score"
STREAM = "/trueodds.v1.ScoringService/StreamScore"
FIT = "/trueodds.v1.CalibrationService/FitCalibrator"
CALIBRATE = "/trueodds.v1.CalibrationService/Calibrate"

ASKED = {
    "settings": {"model": "models/aligned"},
    "question": {"text": "Which one?", "options": [{"text": "this"}, {"text": "that"}]},
}


def lines(response):
    return [json.loads(line) for line in response.text.splitlines()]


def test_a_score_is_what_grpc_says(service, http):
    response = http.post(SCORE, json=ASKED)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    request = json_format.ParseDict(ASKED, scoring_pb2.ScoreRequest())
    told = json_format.ParseDict(response.json(), scoring_pb2.ScoreResponse())
    assert told.answer == service.scoring.Score(request).answer


def test_what_is_zero_or_false_is_said(http):
    answer = http.post(SCORE, json=ASKED).json()["answer"]
    assert answer["calibrated"] is False
    assert answer["choice"] in (0, 1)
    assert answer["topTokens"] == []


def test_names_may_be_written_as_in_the_protos(http):
    asked = {**ASKED, "settings": {"model": "models/aligned", "top_tokens": 2}}
    assert len(http.post(SCORE, json=asked).json()["answer"]["topTokens"]) == 2


@pytest.mark.parametrize(
    "method",
    [
        f"{service.full_name}/{method.name}"
        for module in (scoring_pb2, calibration_pb2, model_pb2)
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    ],
)
def test_every_method_has_a_path(http, method):
    response = http.post(f"/{method}", json={"nothing": 1})
    assert response.status_code == 400
    assert "nothing: is no field of this message" in response.text


def test_a_fit_tells_how_far_it_is_in_lines(http, task):
    asked = {"model": "models/aligned", "task": task, "method": "METHOD_CONSTANT", "options": 2}
    response = http.post(FIT, json=asked)
    assert response.headers["content-type"] == "application/x-ndjson"
    *_, last = lines(response)
    assert last["result"]["calibrator"]["name"].startswith("models/aligned/calibrators/")


def test_confidences_of_another_service_are_calibrated(http, task):
    """They need nothing of their own: the path is made from the contract."""
    items = [{"confidence": 0.9, "correct": number % 2 == 0} for number in range(20)]
    items[0] = {"confidence": 1, "correct": True}
    asked = {"model": "models/aligned", "task": task, "activate": True}
    scores = {"items": items, "probability_step": 0.01}
    *_, last = lines(http.post(FIT, json={**asked, "method": "METHOD_BETA", "scores": scores}))
    fitted = last["result"]["calibrator"]
    assert fitted["scope"]["reading"] == "confidence"
    asked = {"model": "models/aligned", "task": task, "items": [{"confidence": 0.9}]}
    [outcome] = http.post(CALIBRATE, json=asked).json()["outcomes"]
    assert outcome["scores"]["confidence"] == pytest.approx(0.9)
    assert outcome["scores"]["calibratedConfidence"] < 0.85
    refused = http.post(CALIBRATE, json={**asked, "items": [{"confidence": 1}]}).json()
    assert "probability_step" in refused["outcomes"][0]["error"]["message"]
    page = http.get(f"/console/calibrators/aligned/{fitted['name'].rpartition('/')[2]}").text
    assert "Where the model says" in page
    assert "For 2 options" not in page


def test_a_stream_of_batches_is_lines_in_and_lines_out(http):
    batches = [
        {"batchId": "1", "settings": ASKED["settings"], "questions": [ASKED["question"]]},
        {"batchId": "2", "questions": [ASKED["question"], {"text": "one option"}]},
    ]
    response = http.post(
        STREAM,
        content="\n".join(map(json.dumps, batches)),
        headers={"content-type": "application/x-ndjson"},
    )
    found = {line["result"]["batchId"]: line["result"]["outcomes"] for line in lines(response)}
    assert [len(found["1"]), len(found["2"])] == [1, 2]
    assert "answer" in found["2"][0]
    assert found["2"][1]["error"]["message"].startswith("questions[1].options: ")


def test_a_stream_answers_while_it_is_sent_and_says_in_its_last_line_why_it_fails(service):
    batch = {"batchId": "1", "settings": ASKED["settings"], "questions": [ASKED["question"]]}
    host, port = service.app.http_address.split(":")
    head = f"POST {STREAM} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\n"

    def chunk(content):
        return b"%x\r\n%b\r\n" % (len(content), content)

    with socket.create_connection((host, int(port)), timeout=30) as caller:
        answer = caller.makefile("rb")
        caller.sendall(f"{head}transfer-encoding: chunked\r\n\r\n".encode())
        caller.sendall(chunk(json.dumps(batch).encode() + b"\n"))
        result = next(line for line in answer if line.startswith(b"{"))
        caller.sendall(chunk(b"nope\n") + chunk(b""))
        error = next(line for line in answer if line.startswith(b"{"))
    assert json.loads(result)["result"]["batchId"] == "1"
    assert json.loads(error)["error"]["message"] == "body: is not one object of JSON in UTF-8"


def test_a_stream_whose_caller_takes_no_answer_leaves_its_place_to_others(start_service):
    limits = {"stream_idle_seconds": 1.0, "max_concurrent_requests": 1}
    service = start_service(http="127.0.0.1:0", limits=limits)
    batch = {"batchId": "1", "settings": ASKED["settings"], "questions": [ASKED["question"]] * 100}
    body = json.dumps(batch).encode() + b"\n"
    host, port = service.app.http_address.split(":")
    head = f"POST {STREAM} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\n"
    chunk = b"%x\r\n%b\r\n" % (len(body), body)

    def send_for_ever():
        with suppress(OSError):
            while True:
                reads_nothing.sendall(chunk)

    def answered_with(status):
        while http.post(SCORE, json=ASKED).status_code != status:
            assert time.monotonic() < deadline

    with socket.socket() as reads_nothing, httpx.Client(base_url=service.url) as http:
        reads_nothing.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        reads_nothing.connect((host, int(port)))
        reads_nothing.sendall(f"{head}transfer-encoding: chunked\r\n\r\n".encode())
        sending = threading.Thread(target=send_for_ever, daemon=True)
        sending.start()
        deadline = time.monotonic() + 60
        try:
            answered_with(429)  # it has the place
            answered_with(200)
        finally:
            with suppress(OSError):  # its connection is closed by now, or soon
                reads_nothing.shutdown(socket.SHUT_RDWR)
        sending.join()


def test_a_stream_that_never_was_one_has_an_errors_status(http):
    response = http.post(STREAM, content="{}", headers={"content-type": "text/plain"})
    assert response.status_code == 415

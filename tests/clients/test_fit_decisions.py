"""`trueodds fit-decisions`: recorded decisions become calibrators, by the HTTP door."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
import trustme
from tests.certificates import Files, channel_credentials

from trueodds_service.caller import Permission
from trueodds_service.store import SqlKeyStore

URGENT = {"type": "predicate", "name": "urgent", "instructions": "Is it urgent?"}
TEAM = {
    "type": "choice",
    "name": "team",
    "instructions": "Whose is it?",
    "choices": [{"value": "billing"}, {"value": "sales"}, {"value": False}],
}


def recorded(*questions, count=8, **more):
    return [{"input": f"Message {n}.", "questions": questions, **more} for n in range(count)]


@pytest.fixture
def served(start_service):
    return start_service(http="127.0.0.1:0", decisions={"min_option_mass": 0})


@pytest.fixture
def fit(command, served, write):
    """Runs the command for these lines, against the door of ``served``."""

    def fit(*lines, args=(), http=served.url):
        file = write(*lines, name="decisions.jsonl")
        return command("fit-decisions", "aligned", file, "--http", http, *args)

    return fit


def test_each_type_gets_a_calibrator_that_answers(fit, served):
    result = fit(*recorded(URGENT, TEAM), args=["--method", "teacher_kl", "--activate"])
    assert result.exit_code == 0, result.stderr
    names = result.stdout.split()
    asked = {"model": "aligned", "input": "Now.", "questions": [URGENT, TEAM]}
    answers = httpx.post(f"{served.url}/v1/decisions", json=asked).json()["answers"]
    assert [each["calibrator"] for each in answers] == names
    assert "task 'urgent', predicate of 2 options: teacher_kl, T = " in result.stderr
    assert "task 'team', choice of 3 options: teacher_kl, T = " in result.stderr


def test_answers_are_learnt_from_where_they_are_known(fit, command, served):
    told = recorded(URGENT, TEAM, count=7, answers=[True, "sales"])
    told[0]["answers"] = [False, None]
    result = fit(*told, args=["--method", "temperature", "--task", "mine"])
    assert result.exit_code == 0, result.stderr
    for name, labelled in zip(result.stdout.split(), (7, 6), strict=True):
        shown = command("calibrators", "show", name, "--server", served.app.address).stdout
        assert f"7, {labelled} with an answer" in shown
        assert "mine" in shown


def test_they_come_from_standard_input_too(fit, command, served):
    line = '{"input": "Now.", "questions": [{"type": "predicate", "instructions": "So?"}]}'
    stdin = f"{line}\n\n{line}\n"
    args = ("--method", "identity", "--http", served.url)
    result = command("fit-decisions", "aligned", "-", *args, stdin=stdin)
    assert result.exit_code == 0, result.stderr
    assert "the default task, predicate of 2 options: identity" in result.stderr


def test_the_door_may_be_named_by_the_environment(command, served, write, monkeypatch):
    monkeypatch.setenv("TRUEODDS_HTTP", served.url)
    file = write(*recorded(URGENT), name="decisions.jsonl")
    assert command("fit-decisions", "aligned", file, "--method", "identity").exit_code == 0


def test_any_number_of_options_may_have_one(fit):
    fewer = {**TEAM, "choices": TEAM["choices"][:2]}
    result = fit(*recorded(TEAM, fewer), args=["--method", "teacher_kl", "--any-options"])
    assert len(result.stdout.split()) == 1
    assert "choice of any number of options" in result.stderr


def test_what_is_wrong_with_a_line_is_told_with_its_number(fit):
    good, *_ = recorded(URGENT)
    result = fit(good, "", {**good, "answers": ["yes"]})
    assert result.exit_code == 1
    assert "decisions.jsonl, line 3: answers[0]: is none of the question's answers" in result.stderr


def test_a_name_that_is_twice_in_a_line_is_refused(fit):
    """Read and written again, the first of them would be lost without a word."""
    line = '{"input": "a", "input": "b", "questions": []}'
    result = fit(line)
    assert result.exit_code == 1
    assert "line 1: " in result.stderr


def test_a_line_separator_within_a_text_ends_no_line(fit):
    line = '{"input": "a\u2028b", "questions": [{"type": "predicate", "instructions": "So?"}]}'
    assert fit(line, args=["--method", "identity"]).exit_code == 0


@pytest.mark.parametrize("line", ["{", "[1]", '{"input": NaN}'])
def test_what_is_no_object_is_not_sent(fit, line):
    result = fit(line)
    assert result.exit_code == 2
    assert "line 1: is no JSON object" in result.stderr


def test_a_degenerate_fit_is_told_and_not_activated(fit):
    certain = recorded(URGENT, answers=[True])
    result = fit(*certain, args=["--method", "temperature", "--activate"])
    assert result.exit_code == 1
    name = result.stdout.strip()
    assert f"not activated: {name}: " in result.stderr


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--method", "cascade"], "target_risk: METHOD_CASCADE needs it, or target_passed_on"),
        (["--teacher", "nobody"], "there is no models/nobody"),
    ],
)
def test_what_the_server_refuses_is_told(fit, args, said):
    result = fit(*recorded(URGENT), args=args)
    assert result.exit_code == 1
    assert said in result.stderr


@pytest.mark.parametrize(
    "url", ["localhost:50080", "ftp://localhost", "http://localhost:x", "http://a/v1", "http://u@a"]
)
def test_what_is_no_doors_url_is_refused(fit, url):
    result = fit(*recorded(URGENT), http=url)
    assert result.exit_code == 1
    assert "is not http://HOST:PORT or https://HOST:PORT" in result.stderr


def test_where_nobody_answers_it_says_what_opens_a_door(fit):
    result = fit(*recorded(URGENT), http="http://127.0.0.1:1")
    assert result.exit_code == 1
    assert "no HTTP door of trueodds answers at http://127.0.0.1:1" in result.stderr


def test_the_port_of_grpc_is_no_door(fit, served):
    result = fit(*recorded(URGENT), http=f"http://{served.app.address}")
    assert result.exit_code == 1
    assert "no HTTP door of trueodds answers" in result.stderr


def test_another_server_is_told_from_ours_and_gets_nothing_sent_on(fit):
    asked = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(self.path)
            self.send_response(307)
            self.send_header("location", "/other")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Elsewhere) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        result = fit(*recorded(URGENT), http=f"http://127.0.0.1:{other.server_port}")
        other.shutdown()
    assert result.exit_code == 1
    assert "answers 307, and not as trueodds does" in result.stderr
    assert asked == ["/v1/decisions/calibrators"]


def test_the_door_is_waited_for(command, start_service, write):
    service = start_service(http="127.0.0.1:0", ready=False)
    file = write(*recorded(URGENT), name="decisions.jsonl")
    args = ("fit-decisions", "base+aligned", file, "--http", service.url, "--wait")
    late = command(*args, 0.1)
    assert late.exit_code == 1
    assert "models/base is starting" in late.stderr
    assert "no HTTP door" in command(*args[:4], "http://127.0.0.1:1", "--wait", 0.1).stderr


def test_a_key_is_shown_and_never_in_the_clear_to_another_machine(fit, start_service, tmp_path):
    service = start_service(http="127.0.0.1:0", access="keys", store=tmp_path / "keys.sqlite")
    keys = SqlKeyStore(f"sqlite:///{tmp_path}/keys.sqlite")
    _, key = keys.create("fitter", tenant="acme", permissions={Permission.FIT})
    keys.close()
    service.run(service.app._identities._keys.refresh())
    how = ["--method", "identity"]
    assert "no key or certificate" in fit(*recorded(URGENT), http=service.url, args=how).stderr
    known = fit(*recorded(URGENT), http=service.url, args=[*how, "--api-key", key])
    assert known.exit_code == 0, known.stderr
    other = fit(*recorded(URGENT), http="http://example.org", args=["--api-key", key])
    assert other.exit_code == 1
    assert "would travel in the clear to example.org:80" in other.stderr
    assert key not in other.stderr


def test_it_speaks_tls_with_whom_it_trusts(fit, start_service, tmp_path):
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "trusted.pem")
    files = Files(tmp_path).write(ca.issue_cert("localhost"), ca)
    service = start_service(
        http="localhost:0", tls=files.settings(), credentials=channel_credentials(ca)
    )
    url = f"https://{service.app.http_address}"
    how = ["--method", "identity"]
    known = fit(*recorded(URGENT), http=url, args=[*how, "--ca", tmp_path / "trusted.pem"])
    assert known.exit_code == 0, known.stderr
    unknown = fit(*recorded(URGENT), http=url, args=how)
    assert unknown.exit_code == 1
    assert "shows a certificate that is not to be trusted here" in unknown.stderr
    clear = fit(*recorded(URGENT), http=f"http://{service.app.http_address}", args=how)
    assert "no HTTP door of trueodds answers" in clear.stderr

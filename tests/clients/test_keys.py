"""`trueodds keys` and `trueodds audit`: as an operator sees them."""

import getpass
import json
import re
from contextlib import closing

import pytest
import yaml
from typer.testing import CliRunner

from trueodds.cli.main import app
from trueodds_service.store import Action, SqlKeyStore
from trueodds_service.store.audit import note
from trueodds_service.store.database import Database
from trueodds_service.store.keys import is_right, split


@pytest.fixture
def config(tmp_path):
    """A configuration whose store nobody has made yet."""
    path = tmp_path / "serve.yaml"
    model = {"name": "m", "weights": "elsewhere"}
    path.write_text(yaml.safe_dump({"store": "sqlite:///own.sqlite", "models": [model]}))
    return path


@pytest.fixture
def run(config):
    """Runs the command on the configuration's store."""
    return lambda *args: CliRunner().invoke(app, [*map(str, args), "--config", str(config)])


@pytest.fixture
def stored(config):
    """The records of the store's keys."""

    def stored():
        keys = SqlKeyStore(f"sqlite:///{config.parent}/own.sqlite")
        found = keys.all()
        keys.close()
        return found

    return stored


def test_a_key_is_shown_once_and_alone(run, stored):
    told = run("keys", "create", "nightly", "--tenant", "acme", "--can", "score,fit")
    assert told.exit_code == 0, told.output
    [key] = stored()
    text = told.stdout.strip()
    assert split(text)[0] == key.id
    assert is_right(split(text)[1], key.hash)
    assert f"key {key.id} (nightly) of tenant acme: may fit, score\n" in told.stderr
    secret = split(text)[1]
    assert secret not in told.stderr
    for command in (("keys", "list"), ("keys", "list", "--json"), ("audit",), ("audit", "--json")):
        shown = run(*command)
        assert key.id in shown.output
        assert secret not in shown.output
        assert key.hash not in shown.output


def test_keys_are_listed_while_they_are_valid(run, stored):
    run("keys", "create", "first", "--days", "30")
    run("keys", "create", "second", "--can", "admin", "--tenant", "acme")
    first, second = stored()
    run("keys", "revoke", first.id)
    head, line = run("keys", "list").stdout.splitlines()
    assert head.split() == ["id", "name", "tenant", "can", "created", "ends", "state"]
    assert re.fullmatch(rf"{second.id}  second  acme    admin  \S+  -     valid", line)
    told = [json.loads(each) for each in run("keys", "list", "--all", "--json").stdout.splitlines()]
    assert [(each["name"], each["can"], each["state"]) for each in told] == [
        ("first", ["score"], "revoked"),
        ("second", ["admin"], "valid"),
    ]
    assert told[0]["ends"] is not None


def test_a_rotated_key_has_its_grace(run, stored):
    run("keys", "create", "nightly", "--tenant", "acme")
    [old] = stored()
    told = run("keys", "rotate", old.id, "--grace-hours", "2")
    new_id, _ = split(told.stdout.strip())
    assert f"{old.id} ends in 2 hours\n" in told.stderr
    run("keys", "rotate", new_id, "--grace-hours", "0")
    states = [json.loads(each) for each in run("keys", "list", "--json").stdout.splitlines()]
    assert new_id not in [each["id"] for each in states]
    assert [each["name"] for each in states] == ["nightly", "nightly"]


def test_the_audit_log_tells_who_has_done_it_here(run, stored):
    run("keys", "create", "nightly", "--tenant", "acme")
    run("keys", "create", "own")
    [nightly, own] = stored()
    run("keys", "revoke", own.id)
    head, *lines = run("audit").stdout.splitlines()
    who = f"local:{getpass.getuser()}"
    assert head.split() == ["at", "tenant", "who", "what", "subject"]
    assert [re.split("  +", line)[1:] for line in lines] == [
        ["acme", who, "create key", f"keys/{nightly.id}"],
        ["-", who, "create key", f"keys/{own.id}"],
        ["-", who, "revoke key", f"keys/{own.id}"],
    ]
    [line] = run("audit", "--tenant", "acme", "--json").stdout.splitlines()
    entry = json.loads(line)
    assert (
        entry.pop("created_at")
        <= json.loads(run("audit", "--json").stdout.splitlines()[-1])["created_at"]
    )
    assert entry == {
        "sequence": 1,
        "tenant": "acme",
        "caller": who,
        "action": "create key",
        "subject": f"keys/{nightly.id}",
    }
    assert run("audit", "--since", "2999-01-01", "--json").stdout == ""


def test_a_subject_that_holds_controls_makes_up_no_line(run, config):
    run("keys", "create", "own")
    database = Database(f"sqlite:///{config.parent}/own.sqlite")
    with closing(database), database.writing() as session:
        note(session, Action.IMPORT, "a\x1b[2J\nforged")
    _, _, line = run("audit").stdout.splitlines()
    assert line.endswith(r"a\x1b[2J\nforged")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["create", "Nightly"], "name: 'Nightly' has to match"),
        (["create", ""], "name: '' has to match"),
        (["create", "n", "--tenant", "A/b"], "tenant: 'A/b' has to match"),
        (["create", "n", "--can", "score,write"], "is no list of score, fit, admin"),
        (["create", "taken"], "the tenant '' has a valid key 'taken' already"),
        (["revoke", "0f0f0f0f0f0f"], "there is no valid key 0f0f0f0f0f0f"),
        (["rotate", "0f0f0f0f0f0f"], "there is no valid key 0f0f0f0f0f0f"),
    ],
)
def test_what_is_wrong_is_told_and_is_a_status(run, stored, command, said):
    run("keys", "create", "taken")
    told = run("keys", *command)
    assert (told.exit_code, told.stdout) == (1, "")
    assert told.stderr.startswith("error: ")
    assert said in told.stderr
    assert len(stored()) == 1


def test_without_a_store_there_is_nothing_to_list(run):
    for command in (["keys", "list"], ["audit"], ["keys", "revoke", "0f0f0f0f0f0f"]):
        told = run(*command)
        assert (told.exit_code, told.stderr) == (1, "error: there is no store yet\n")


@pytest.mark.parametrize("days", ["1e7", "inf"])
def test_a_key_that_ends_at_no_date_is_refused(run, days):
    told = run("keys", "create", "nightly", "--days", days)
    assert told.exit_code == 1
    assert "days: " in told.output
    assert "Traceback" not in told.output

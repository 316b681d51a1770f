"""The `trueodds` command: its help, and what is no use of it."""

import pytest

from trueodds.cli.main import app

COMMANDS = {
    (): "score",
    ("serve",): "trueodds serve serve.yaml",
    ("check",): "trueodds check serve.yaml",
    ("serve-config",): "trueodds serve-config serve.yaml > serve-config.yaml",
    ("score",): "trueodds score demo-aligned -q",
    ("bulk",): "trueodds bulk demo-aligned questions.jsonl",
    ("fit",): "trueodds fit demo-aligned questions.jsonl",
    ("fit-decisions",): "trueodds fit-decisions demo-aligned decisions.jsonl",
    ("evaluate",): "trueodds evaluate models/",
    ("calibrate",): "trueodds calibrate demo-aligned answers.jsonl",
    ("report",): "trueodds report models/",
    ("calibrators",): "rollback",
    ("calibrators", "list"): "trueodds calibrators list demo-aligned",
    ("calibrators", "show"): "trueodds calibrators show models/",
    ("calibrators", "activate"): "trueodds calibrators activate models/",
    ("calibrators", "delete"): "trueodds calibrators delete models/",
    ("calibrators", "rollback"): "trueodds calibrators rollback models/",
    ("calibrators", "export"): "trueodds calibrators export calibrators.jsonl",
    ("calibrators", "import"): "trueodds calibrators import calibrators.jsonl",
    ("keys",): "rotate",
    ("keys", "create"): "trueodds keys create nightly",
    ("keys", "list"): "trueodds keys list",
    ("keys", "revoke"): "trueodds keys revoke 1a2b3c4d5e6f",
    ("keys", "rotate"): "trueodds keys rotate 1a2b3c4d5e6f",
    ("audit",): "trueodds audit",
    ("outcomes",): "trueodds outcomes outcomes.jsonl",
    ("drift",): "trueodds drift models/",
    ("alerts",): "trueodds alerts demo-aligned",
    ("models",): "trueodds models",
    ("demo",): "trueodds demo",
}


def tree(commands, path=()):
    yield path
    for command in commands.registered_commands:
        yield (*path, command.name or command.callback.__name__)
    for group in commands.registered_groups:
        yield from tree(group.typer_instance, (*path, group.name))


@pytest.mark.parametrize("args", COMMANDS, ids=" ".join)
def test_help_has_an_example(command, args):
    result = command(*args, "--help")
    assert result.exit_code == 0
    assert COMMANDS[args] in result.stdout


def test_every_command_is_in_these_tests():
    assert set(tree(app)) == set(COMMANDS)


def test_the_version(command):
    assert command("--version").stdout.startswith("trueodds 0.")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["score"], "MODEL"),
        (["score", "aligned"], "a file of questions, or one with -q and -o"),
        (["score", "aligned", "x.jsonl", "-q", "Tin?"], "a file of questions, or one with"),
        (["score", "aligned", "x.jsonl", "-o", "yes"], "a file of questions, or one with"),
        (["score", "aligned", "-", "--shots", "-"], "cannot both come from stdin"),
        (["score", "aligned", "-q", "Tin?", "--format", "prose"], "'prose' is not one of"),
        (["score", "aligned", "-q", "Tin?", "--normalization", "x"], "'x' is not one of"),
        (["score", "aligned", "-q", "Tin?", "--order", "x"], "'x' is not one of"),
        (["score", "aligned", "-q", "Tin?", "--top-tokens", "21"], "value for '--top-tokens'"),
        (["score", "aligned", "-q", "Tin?", "--min-option-mass", "2"], "'--min-option-mass'"),
        (["fit", "aligned", "--method", "magic"], "'magic' is not one of"),
        (["fit", "aligned", "-", "--shots", "-"], "cannot both come from stdin"),
        (["fit", "aligned", "--options", "1"], "Invalid value for '--options'"),
        (["report"], "give CALIBRATOR and QUESTIONS, or --from"),
        (["report", "0f3a"], "give CALIBRATOR and QUESTIONS, or --from"),
        (["report", "0f3a", "--from", "x.json"], "give CALIBRATOR and QUESTIONS, or --from"),
        (["report", "0f3a", "-", "--shots", "-"], "cannot both come from stdin"),
        (["report", "aligned", "0f3a", "x.jsonl"], "any more: trueodds report 0f3a x.jsonl"),
        (["calibrators", "list"], "MODEL"),
        (["calibrators", "show"], "CALIBRATOR"),
        (["serve"], "config"),
        (["demo", "--questions", "1"], "Invalid value for '--questions'"),
        (["sing"], "No such command 'sing'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_ends_with_2(command, args, said):
    result = command(*args)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""

"""What the documents say of methods, metrics, commands and files is so."""

import ast
import re
import shlex
from pathlib import Path

import pytest
import typer.main
from documentation.__main__ import build
from documentation.pages import navigation

from trueodds import Method as ClientMethod
from trueodds import errors
from trueodds.cli.main import app
from trueodds.report.metrics import METRICS, NULL
from trueodds_service.core.calibrators.methods import SPECS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
# With what is measured and how the demo is made: all that the site has and is not made for it.
LINKING = [page for path in navigation() if (page := ROOT / path).exists()]
COMMANDS = typer.main.get_command(app)


def table(page, title):
    """The rows below the table's header that begins with ``title``, as lists of cells."""
    lines = page.read_text(encoding="utf-8").splitlines()
    [start] = [i for i, line in enumerate(lines) if line.startswith(f"| {title} |")]
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def code(pattern):
    """What the pages' blocks of code hold, line by line."""
    for page in PAGES:
        for block in re.findall(r"```\w*\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                if re.match(pattern, line):
                    yield page.name, line


@pytest.mark.parametrize("page", LINKING, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page):
    text = page.read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in headings, target
        elif not target.startswith("http"):
            assert (page.parent / target.split("#")[0]).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_row_is_of_a_table(page):
    """A blank line within a table makes the rows after it a line of text."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for rows in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        first, second = [*rows.splitlines(), ""][:2]
        assert re.fullmatch(r"\|[-:| ]+\|", second), first


@pytest.mark.parametrize("line", [line for _, line in code("trueodds ")])
def test_a_command_of_the_pages_exists(line):
    words = shlex.split(line.split(" > ")[0], comments=True)[1:]
    command = COMMANDS
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    known = {name for each in command.params for name in each.opts}
    assert {word for word in words if re.match("--?[a-z]", word)} <= known


def test_the_methods_are_those_of_the_service():
    rows = {re.findall("[A-Z_]+", row[0])[0]: row for row in table(
        ROOT / "docs/calibration.md", "`Method`")}  # fmt: skip
    assert set(rows) == {method.name for method in ClientMethod}
    assert set(rows) - {"AUTO", "CASCADE"} == {method.name for method in SPECS}
    for method, spec in SPECS.items():
        _, needs, source, numbers, changes = rows[method.name]
        assert changes == ("no" if spec.keeps_choice else "yes"), method
        assert numbers == {"n": "grow with n"}.get(spec.parameters, spec.parameters)
        counts = [int(number) for number in re.findall(r"\d+", needs.split("options")[0])]
        told = [spec.min_items, spec.own_items] if spec.min_items else []
        if method.name not in ("CONSTANT", "MATRIX"):
            assert counts == sorted({*told}), method
        assert ("teacher" in needs) == spec.needs_teacher
        assert ("answers" in needs) == spec.needs_labels
        for year in re.findall(r"\b\d{4}\b", spec.source.split("(")[0]):
            assert year in source or "He et al. 2023" in source


def test_the_errors_are_those_of_the_client():
    """Every class that is raised, and every reason that has a class of its own."""
    classes, reasons = set(), set()
    for raised, reason, _ in table(ROOT / "docs/client.md", "class"):
        classes |= set(re.findall("`([A-Za-z]+)`", raised))
        reasons |= set(re.findall("`([A-Z_]+)`", reason))
    assert classes == _kinds(errors.TrueoddsError) - {"BulkError", "FileError"}
    assert reasons >= errors._BY_REASON.keys()


def _kinds(error):
    below = error.__subclasses__()
    return {each.__name__ for each in below}.union(*map(_kinds, below))


def test_the_metrics_are_those_of_the_report():
    rows = table(ROOT / "docs/calibration.md", "metric")
    named = {name for row in rows for name in re.findall("`([a-z_]+)`", row[0])}
    assert named - {f"{NULL}ece"} == {metric.name for metric in METRICS}


def test_every_reason_has_its_cure():
    """The page has every reason that the sources give, and none that they do not know."""
    page = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE)
    given, words = set(errors._BY_REASON), set()
    for folder in ("service/trueodds_service", "clients/python/trueodds"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                words |= {node.value} if isinstance(node, ast.Constant) else set()
                given |= set(_reasons(node))
    assert len(named) == len(set(named))
    assert given - set(named) == set()
    assert set(named) - words == set()


def _reasons(node):
    """The reasons that are written at this node of a program: as an argument, or its default."""
    match node:
        case ast.keyword(arg="reason", value=ast.Constant(str(reason))) if reason:
            yield reason
        case ast.Assign([ast.Name("REASON")], ast.Constant(str(reason))):
            yield reason
        case ast.FunctionDef():
            defaults = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            for argument, default in defaults:
                if argument.arg == "reason" and isinstance(default, ast.Constant) and default.value:
                    yield default.value


def test_a_file_that_the_map_of_the_house_names_is_there():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`([a-z_./]+/[a-z_]+\.[a-z]+)`", text)
    assert len(named) > 30, "the paths are there"
    homes = [ROOT, ROOT / "service/trueodds_service", ROOT / "clients/python/trueodds"]
    assert [each for each in named if not any((home / each).is_file() for home in homes)] == []


def test_the_site_has_every_page_and_no_broken_link(tmp_path):
    """Zensical takes three seconds, and is what finds a heading that is gone."""
    assert {path.relative_to(ROOT).as_posix() for path in PAGES} <= set(navigation())
    assert build(tmp_path) == 0
    for page in navigation():
        place = page.removesuffix("README.md").removesuffix(".md")
        assert (tmp_path / "site" / place / "index.html").is_file(), page

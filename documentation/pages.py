"""What the site is built from: the repository's pages, and what these link to, where they lie."""

import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CONFIGURATION = Path(__file__).with_name("zensical.toml")
_LINK = re.compile(r"(\]\()([^)#\s]+)")


def navigation() -> list[str]:
    """The pages of the navigation, as paths from the root, in its order."""
    return list(_targets(tomllib.loads(CONFIGURATION.read_text("utf-8"))["project"]["nav"]))


def _targets(entry: Any) -> list[str]:
    match entry:
        case str():
            return [entry]
        case dict():
            return [each for below in entry.values() for each in _targets(below)]
        case _:
            return [each for below in entry for each in _targets(below)]


def stage(folder: Path, generated: dict[str, str]) -> None:
    """Puts every page of the navigation into an empty ``folder``, with the files they link to.

    ``generated`` has the text of pages that are made and not kept, by path. A folder that is
    linked to gets a page that lists its files, unless it has one.
    """
    shutil.rmtree(folder, ignore_errors=True)
    texts = {
        path: generated[path] if path in generated else (ROOT / path).read_text("utf-8")
        for path in navigation()
    }
    waiting = list(texts)
    for path in waiting:
        page = ROOT / path
        for target in _local_links(texts[path]):
            linked = (page.parent / target).resolve()
            name = linked.relative_to(ROOT).as_posix()
            if linked.is_dir() and f"{name}/README.md" not in texts:
                texts[f"{name}/README.md"] = _listing(linked)
                waiting.append(f"{name}/README.md")
            elif linked.is_file() and linked.suffix != ".md":
                _copy(linked, folder / name)
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(_to_pages(path, text), "utf-8")


def _local_links(text: str) -> list[str]:
    return [target for _, target in _LINK.findall(text) if "://" not in target]


def _to_pages(path: str, text: str) -> str:
    """The text with its links to folders as links to their pages."""

    def page(link: re.Match[str]) -> str:
        here = ROOT / path
        is_folder = "://" not in link[2] and (here.parent / link[2]).is_dir()
        return f"{link[0].rstrip('/')}/README.md" if is_folder else link[0]

    return _LINK.sub(page, text)


def _listing(folder: Path) -> str:
    own = folder / "README.md"
    if own.is_file():
        return own.read_text("utf-8")
    files = sorted(each for each in folder.iterdir() if each.is_file())
    return f"# {folder.relative_to(ROOT)}\n\n" + "".join(
        f"- [{each.name}]({each.name})\n" for each in files
    )


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)

"""A configuration file, read and checked whole."""

import difflib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from trueodds_service.config.section import Section
from trueodds_service.config.settings import Settings
from trueodds_service.errors import ConfigError
from trueodds_service.hub import hub_name

MAX_LORA_RANK = 512


def load(path: Path, *, listen: str | None = None) -> Settings:
    """Reads a configuration file; paths in it become absolute. ``listen`` goes before its own.

    Raises ConfigError, which names every field that is wrong, and the reason.
    """
    settings, problems = read(path, listen=listen)
    if problems:
        raise ConfigError(_listed(path, problems))
    return settings


def read(path: Path, *, listen: str | None = None) -> tuple[Settings, Sequence[str]]:
    """As ``load``, but what is wrong with the folders that it names is told and not raised."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 (is a SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({type(error).__name__})") from error
    except _Refused as error:
        raise ConfigError(f"{path}: {error}") from error
    # Of PyYAML's own faults: an impossible date, a word tagged as one, thousands of brackets.
    except (yaml.YAMLError, ValueError, AttributeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" near line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}: is not YAML{place}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: has to be a mapping of settings")
    if listen is not None:
        content = {**content, "listen": listen}
    try:
        settings = Settings.model_validate(content)
    except ValidationError as error:
        raise ConfigError(_listed(path, _problems(error))) from error
    settings = _absolute(settings, path.resolve().parent)
    return settings, _wrong_folders(settings)


class _Refused(yaml.YAMLError):
    """YAML would read something else than what stands there."""


# 010 is 8 to YAML, and 1:30 is 90. (08 is text to it, of which a setting makes 8.)
_OTHER_NUMBER = re.compile("[-+]?0[0-7_]+|.*:.*", re.DOTALL)
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class _Loader(yaml.SafeLoader):
    """Refuses a mapping that has a name twice, of which YAML takes the last, and old numbers."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        first: dict[str, int] = {}
        for name, value in node.value:
            # What is merged in by "<<" may be named again.
            if not isinstance(name, yaml.ScalarNode) or name.tag == "tag:yaml.org,2002:merge":
                continue
            line = name.start_mark.line + 1
            if name.value in first:
                raise _Refused(f"{name.value} is there twice: lines {first[name.value]}, {line}")
            first[name.value] = line
            if value.tag in _NUMBERS and _OTHER_NUMBER.fullmatch(value.value):
                read = self.construct_object(value)
                raise _Refused(
                    f"{name.value}: {value.value} on line {line} is {read} to YAML: "
                    f"write {read}, or the number that is meant, or quotes around a text"
                )
        return node


def _listed(path: Path, problems: Sequence[str]) -> str:
    return f"{path}: " + "\n  ".join(problems)


def _problems(error: ValidationError) -> list[str]:
    said = []
    problems = error.errors(include_url=False, include_input=False)
    places = [problem["loc"] for problem in problems]
    for problem in problems:
        length = len(problem["loc"])
        if problem["type"] == "too_short" and any(
            len(place) > length and place[:length] == problem["loc"] for place in places
        ):
            continue  # pydantic does not count what is wrong by itself
        field = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = _unknown(*problem["loc"])
        said.append(f"{field}: {message}" if field else message)
    return said


def _unknown(*place: int | str) -> str:
    """What there is instead of a setting that is none."""
    *section, name = (part for part in place if isinstance(part, str))
    known = sorted(_section(section).model_fields)
    near = _FORMER.get(name) or difflib.get_close_matches(name, known, n=1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    return f"is no setting{meant} (there are {', '.join(known)})"


_FORMER = {"processes": ["replicas"]}


def _section(place: Sequence[str]) -> type[Section]:
    """The part of the configuration that the names of ``place`` lead to."""
    found: Sequence[type[Section]] = [Settings]
    for name in place:
        inside = [each.model_fields[name].annotation for each in found if name in each.model_fields]
        if inside:
            found = _sections_in(inside[0])
        else:  # of engines, pydantic names which one it is as well
            found = [each for each in found if name in _backends(each)]
    return found[0]


def _sections_in(annotation: Any) -> list[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [each for inner in get_args(annotation) for each in _sections_in(inner)]


def _backends(section: type[Section]) -> Sequence[str]:
    return get_args(section.model_fields["backend"].annotation)


def _wrong_folders(settings: Settings) -> list[str]:
    said = []
    for model in settings.models:
        if model.adapter is not None:
            said.append(_wrong_adapter(model.name, model.adapter))
        else:
            said.append(_wrong_weights(model.name, model.weights))
    return [f"models: {each}" for each in said if each]


def _wrong_weights(name: str, folder: Path) -> str:
    if hub_name(folder):
        return ""
    if not folder.is_dir():
        return f"the weights of {name!r} are no folder ({folder})"
    if not (folder / "config.json").is_file():
        return f"the weights of {name!r} lack a config.json ({folder})"
    return ""


def _wrong_adapter(name: str, folder: Path) -> str:
    try:
        content = (folder / "adapter_config.json").read_text(encoding="utf-8")
        rank = json.loads(content)["r"]
    except OSError:
        return f"{name!r} lacks an adapter_config.json ({folder})"
    except (ValueError, KeyError, TypeError):
        return f"the adapter_config.json of {name!r} tells no rank ({folder})"
    if not isinstance(rank, int) or not 1 <= rank <= MAX_LORA_RANK:
        return f"the adapter {name!r} has rank {rank}; vLLM takes at most {MAX_LORA_RANK}"
    return ""


def _absolute(settings: Settings, root: Path) -> Settings:
    models = []
    for model in settings.models:
        update = {}
        folder = _resolved(root / model.weights, f"the weights of {model.name!r}")
        if not hub_name(model.weights):
            update["weights"] = folder
        elif folder.is_dir():
            raise ConfigError(
                f"models: the weights of {model.name!r} ({model.weights}) are a folder here, and "
                f"may be a name on the hub: a folder is named in full ({folder})"
            )
        if model.adapter is not None:
            update["adapter"] = _resolved(root / model.adapter, f"the adapter {model.name!r}")
        models.append(model.model_copy(update=update))
    store = settings.store
    prefix = "sqlite:///"
    if store.startswith(prefix) and not Path(store.removeprefix(prefix)).is_absolute():
        store = prefix + str((root / store.removeprefix(prefix)).resolve())
    absolute: dict[str, Any] = {"models": tuple(models), "store": store}
    if settings.tls is not None:
        # Not resolved: what replaces a certificate often replaces a link.
        paths = {name: root / path for name, path in settings.tls if path is not None}
        absolute["tls"] = settings.tls.model_copy(update=paths)
    alerts = settings.alerts
    if alerts is not None and alerts.webhook is not None and alerts.webhook.secret_file is not None:
        webhook = alerts.webhook.model_copy(
            update={"secret_file": root / alerts.webhook.secret_file}
        )
        absolute["alerts"] = alerts.model_copy(update={"webhook": webhook})
    return settings.model_copy(update=absolute)


def _resolved(path: Path, what: str) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:  # links that lead to each other
        raise ConfigError(f"models: {what} cannot be found ({path})") from error

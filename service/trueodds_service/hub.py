"""Weights on the Hugging Face hub: found by name, and fetched into its cache on this machine."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

from trueodds_service.errors import ConfigError

_NAME = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)@([A-Za-z0-9][\w./-]*)", re.ASCII)

# What a model is read from, at the top of its repository: folders hold it in other forms.
_FILES = ("*.json", "*.model", "*.txt", "*.jinja")
_IN_FOLDERS = "*/*"
# The first of these that the repository has.
_WEIGHTS = ("*.safetensors", "*.bin")

Progress = Callable[[int, int], None]
"""Told how many bytes are here, and of how many."""


class HubName(NamedTuple):
    """A model on the hub."""

    repository: str
    """``ORG/NAME``."""
    revision: str
    """A commit, a branch or a tag."""

    def __str__(self) -> str:
        return f"{self.repository}@{self.revision}"


def hub_name(weights: Path) -> HubName | None:
    """What ``ORG/NAME@REVISION`` names; None for a folder."""
    found = _NAME.fullmatch(str(weights))
    return HubName(*found.groups()) if found else None


def pin(name: HubName) -> HubName:
    """The name with the commit that its branch or tag points to now.

    If the hub cannot be reached: the commit at the last fetch. Raises ConfigError.
    """
    from huggingface_hub import HfApi  # noqa: PLC0415 (asks the environment)

    with _explained(name):
        found = HfApi().resolve_revision(name.repository, revision=name.revision)
    return HubName(name.repository, str(found.resolved))


def fetch(name: HubName, progress: Progress | None = None) -> Path:
    """The folder of a model in the cache, once all of it is there. Raises ConfigError.

    A commit that is there is not asked for again.
    """
    from huggingface_hub import snapshot_download  # noqa: PLC0415

    for weights in _WEIGHTS:
        with _explained(name):
            folder = snapshot_download(
                name.repository,
                revision=name.revision,
                allow_patterns=[*_FILES, weights],
                ignore_patterns=[_IN_FOLDERS],
                tqdm_class=_bar_for(progress),
            )
        if any(Path(folder).glob(weights)):
            break
    return Path(folder)


def described(name: HubName) -> tuple[Path, int]:
    """A model's ``config.json`` in the cache, and the bytes of its weights, which are not fetched
    where the hub can be reached. Raises ConfigError.
    """
    from huggingface_hub import HfApi, hf_hub_download  # noqa: PLC0415

    with _explained(name):
        config = hf_hub_download(name.repository, "config.json", revision=name.revision)
    try:
        listed = HfApi().list_repo_tree(name.repository, revision=name.revision)
        sizes = {each.path: each.size for each in listed if hasattr(each, "size")}
    except Exception:  # of a hub that cannot be reached
        sizes = {each.name: each.stat().st_size for each in fetch(name).iterdir()}
    return Path(config), weights_bytes(sizes)


def weights_bytes(sizes: Mapping[str, int]) -> int:
    """The bytes of a model's weights, of the sizes of its folder's files."""
    for pattern in _WEIGHTS:
        if found := [size for file, size in sizes.items() if fnmatch(file, pattern)]:
            return sum(found)
    return 0


@contextmanager
def _explained(name: HubName) -> Iterator[None]:
    """Raises ConfigError for what huggingface_hub raises, whose words may hold what is secret."""
    from huggingface_hub import errors  # noqa: PLC0415

    try:
        yield
        return
    except errors.GatedRepoError:
        why = "its owners ask who you are: accept their terms on the hub, and set HF_TOKEN"
    except errors.RepositoryNotFoundError:
        why = "the hub has no such model, or shows it to others only (HF_TOKEN)"
    except errors.RevisionNotFoundError:
        why = "the model has no such revision"
    except (errors.LocalEntryNotFoundError, errors.RevisionResolutionError):
        why = "the hub cannot be reached, and the cache lacks it or a part of it"
    except Exception as error:  # of the disk, or of a connection that broke
        why = f"cannot be fetched ({getattr(error, 'strerror', None) or type(error).__name__})"
    raise ConfigError(f"{name}: {why}")


def _bar_for(progress: Progress | None) -> Any:
    """A bar of tqdm's that shows nothing, and tells how many bytes are here."""
    from tqdm import tqdm  # noqa: PLC0415

    class Bar(tqdm):  # type: ignore[misc]  # not typed
        def display(self, *_: Any, **__: Any) -> None:
            if progress is not None and self.unit == "B":
                progress(int(self.n), int(self.total or 0))

        def close(self) -> None:
            self.disable = True

    return Bar

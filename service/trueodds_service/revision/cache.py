"""Digests of large files, kept in the user's cache folder: a file is read whole only once."""

import contextlib
import json
import os
import tempfile
from pathlib import Path

from trueodds_service.revision.identity import Identity

# Another way of making digests has another folder.
_FOLDER = Path("trueodds") / "digests-1"

# What this process knows, for a user without a cache folder.
_known: dict[Identity, str] = {}


def cache_folder() -> Path | None:
    """Where digests are kept (XDG Base Directory); None for a user without a home."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not Path(base).is_absolute():  # as the specification has it
        try:
            base = str(Path.home() / ".cache")
        except RuntimeError:
            return None
    return Path(base) / _FOLDER


def recall(identity: Identity) -> str | None:
    """The digest of a file that is in this state; None where it is not known."""
    if identity in _known:
        return _known[identity]
    place = _place(identity)
    if place is None:
        return None
    try:
        kept = json.loads(place.read_text(encoding="utf-8"))
        return str(kept["digest"]) if kept["identity"] == list(identity) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(identity: Identity, digest: str) -> None:
    """Keeps a digest. Where that is not possible, the file is read again the next time."""
    if not identity.is_settled():
        return
    _known[identity] = digest
    place = _place(identity)
    if place is None:
        return
    with contextlib.suppress(OSError):
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=place.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"identity": identity, "digest": digest}, file)
        # At once: others may read it meanwhile, or write the same.
        Path(name).replace(place)


def _place(identity: Identity) -> Path | None:
    folder = cache_folder()
    return None if folder is None else folder / f"{identity.device:x}-{identity.inode:x}.json"

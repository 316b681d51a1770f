"""The secret that sessions are sealed with, shared by the gateways of this user on this machine."""

import contextlib
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet

_FILE = Path("trueodds") / "console.key"


def session_secret(cache: Path | None = None) -> bytes:
    """A key for Fernet, from a file that only this user may read; made where there is none.

    Where no file can be kept the key is this process's own: its sessions end with it.
    """
    try:
        path = (cache or _cache()) / _FILE
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return _read(path) or _made(path)
    except (OSError, RuntimeError):  # no folder to write to, or no home
        return Fernet.generate_key()


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _read(path: Path) -> bytes | None:
    """The key; None where there is none, or one that others could have read or put there."""
    try:
        with path.open("rb") as file:
            state = os.fstat(file.fileno())
            key = file.read()
        Fernet(key)
    except (FileNotFoundError, ValueError):
        return None
    return key if state.st_uid == os.getuid() and not state.st_mode & 0o077 else None


def _made(path: Path) -> bytes:
    """A new key, whole from the first moment on; of gateways that start at once, the first's."""
    if path.exists():  # and no key
        path.unlink()
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    part.touch(mode=0o600, exist_ok=False)
    try:
        part.write_bytes(Fernet.generate_key())
        with contextlib.suppress(FileExistsError):
            os.link(part, path)
    finally:
        part.unlink()
    return _read(path) or Fernet.generate_key()

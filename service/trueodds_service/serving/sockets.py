"""Where the sockets of a node's processes are, when nobody has made a folder for the service."""

import os
import stat
from pathlib import Path

from trueodds_service.errors import StartError
from trueodds_service.serving.environment import socket_root


def node_folder(node: str) -> Path:
    """A folder of this user alone for a node, by Ray's name for it. Raises StartError."""
    folder = Path(socket_root()) / f"trueodds-{node[:16]}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise StartError(f"{folder} is no folder of this user alone")
    return folder

"""A process of the real engine, as Ray would start it, without Ray: prints its announcements."""

import asyncio
import dataclasses
import json
import sys
from pathlib import Path

from trueodds_service.config import ModelSettings
from trueodds_service.serving.directory import Announcement
from trueodds_service.serving.replica import Replica


class Printed:
    """Serve's handle of a directory, as far as a replica asks it."""

    @property
    def announce(self) -> "Printed":
        return self

    async def remote(self, replica: Announcement) -> bool:
        print("announced", json.dumps(dataclasses.asdict(replica)), flush=True)
        return True


async def main(model: ModelSettings, sockets: Path) -> None:
    replica = Replica.__new__(Replica)
    await replica.__init__(model, {}, sockets, Printed())
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(ModelSettings.model_validate_json(sys.argv[1]), Path(sys.argv[2])))

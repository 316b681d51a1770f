"""A process of the real engine, as Ray would start it, without Ray: prints its socket's path."""

import asyncio
import sys
from pathlib import Path

from trueodds_service.config import ModelSettings
from trueodds_service.serving.engines import EngineReplica


async def main(model: ModelSettings, sockets: Path) -> None:
    replica = EngineReplica.__new__(EngineReplica)
    await replica.__init__(model, {}, sockets)
    print("socket", await replica.path(), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(ModelSettings.model_validate_json(sys.argv[1]), Path(sys.argv[2])))

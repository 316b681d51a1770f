"""Calls of ModelService."""

import time
from collections.abc import Iterable

from trueodds import errors
from trueodds._calls.base import Calls
from trueodds._channel import ATTEMPT_TIMEOUT, BATCH
from trueodds._convert import models as _models
from trueodds.model import Model
from trueodds.question import Chat, Text, TokenIds
from trueodds.v1 import model_pb2

# Seconds between two looks at models that are not ready.
_LOOK_SECONDS = 0.25


class ModelCalls(Calls):
    """Which models there are, whether they are ready, and how they read text."""

    async def models(self, *, timeout: float | None = None) -> list[Model]:
        """The models that the server has."""
        request = model_pb2.ListModelsRequest()
        response = await self._ask(lambda on: on.models.ListModels, request, timeout)
        return [_models.model_of(model) for model in response.models]

    async def model(self, name: str, *, timeout: float | None = None) -> Model:
        """One model, its revision and its limits."""
        request = model_pb2.GetModelRequest(name=_models.model_name(name))
        response = await self._ask(lambda on: on.models.GetModel, request, timeout)
        return _models.model_of(response.model)

    async def wait_until_ready(
        self, *, timeout: float = 300.0, model: str | None = None
    ) -> list[Model]:
        """Waits until every model is ready; see ``Client.wait_until_ready``."""
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            try:
                models = await self.models(timeout=max(left, ATTEMPT_TIMEOUT))
                if _models.are_ready(models, model):
                    return models
            except errors.Unavailable:
                if left < 0:
                    raise
            if left < 0:
                raise errors.DeadlineExceeded(f"{self.server} was not ready in {timeout:g} s")
            await self._transport.pause(_LOOK_SECONDS)

    async def tokenize(
        self,
        prompts: Iterable[str | Text | TokenIds | Chat],
        *,
        model: str,
        timeout: float | None = None,
    ) -> list[tuple[int, ...]]:
        """The tokens of prompts as the model reads them, in their order."""
        tokens: list[tuple[int, ...]] = []
        size = await self._batch_size(model, timeout)
        for request in _models.tokenize_messages(model, prompts, size):
            try:
                response = await self._ask(lambda on: on.models.Tokenize, request, timeout)
            except errors.InvalidRequest as error:
                raise errors.counted_from(error, len(tokens)) from None
            tokens += [tuple(each.ids) for each in response.prompts]
        return tokens

    async def _batch_size(self, model: str, timeout: float | None) -> int:
        return min(BATCH, (await self.model(model, timeout=timeout)).max_items)

"""ModelService: which models are served, and what they can do."""

import asyncio

from trueodds.v1 import model_pb2 as pb
from trueodds.v1 import model_pb2_grpc, question_pb2, scoring_pb2
from trueodds_service.config import Limits
from trueodds_service.engine.base import MAX_TOP_TOKENS
from trueodds_service.errors import InvalidInput, field
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.flows.catalog import Cascade, Catalog, ModelEntry, ServedModel
from trueodds_service.prompts.formats import FORMAT_VERSION
from trueodds_service.rpc.names import model_name, parse_model
from trueodds_service.rpc.reading import FORMATS_SERVED, parse_prompt
from trueodds_service.rpc.status import Context

# Some seconds of a thread that others wait for, too.
_MOST_BYTES = 2**20


class ModelServicer(model_pb2_grpc.ModelServiceServicer):
    """Tells what the catalog holds."""

    def __init__(self, catalog: Catalog, calibrators: Calibrators, limits: Limits) -> None:
        self._catalog = catalog
        self._calibrators = calibrators
        self._limits = limits

    async def ListModels(
        self, request: pb.ListModelsRequest, context: Context
    ) -> pb.ListModelsResponse:
        models = [self._message(entry) for entry in self._catalog]
        models += [self._cascade(each) for each in self._catalog.cascades]
        return pb.ListModelsResponse(models=models)

    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> pb.GetModelResponse:
        name = parse_model(request.name, "name")
        if (cascade := self._catalog.cascade(name)) is not None:
            return pb.GetModelResponse(model=self._cascade(cascade))
        return pb.GetModelResponse(model=self._message(self._catalog.find(name)))

    async def Tokenize(self, request: pb.TokenizeRequest, context: Context) -> pb.TokenizeResponse:
        served = await self._catalog.find(parse_model(request.name, "name")).ready()
        count = len(request.prompts)
        if not 1 <= count <= self._limits.max_items:
            raise InvalidInput(
                "prompts", f"has {count} prompts; from 1 to {self._limits.max_items}"
            )
        if (size := request.ByteSize()) > _MOST_BYTES:
            raise InvalidInput("prompts", f"hold {size} bytes together; at most {_MOST_BYTES}")
        prompts = []
        for index, message in enumerate(request.prompts):
            with field(f"prompts[{index}]"):
                prompts.append(parse_prompt(message))
        tokens = await asyncio.to_thread(served.tokenizer.tokenize, prompts)
        return pb.TokenizeResponse(prompts=[question_pb2.TokenIds(ids=ids) for ids in tokens])

    def _message(self, entry: ModelEntry) -> pb.Model:
        message = pb.Model(
            name=model_name(entry.name),
            state=pb.State.Value(f"STATE_{entry.state.name}"),
            state_cause=entry.cause,
            revision=entry.revision,
            tokenizer_revision=entry.tokenizer_revision,
            teacher=model_name(entry.teacher) if entry.teacher else "",
            base=model_name(entry.base) if entry.base else "",
            calibration_stale_seconds=self._calibrators.stale_seconds,
            formats=FORMATS_SERVED,
            limits=self._limits_message(),
        )
        if entry.served is not None:
            message.limits.max_prompt_tokens = entry.served.max_prompt_tokens
            message.engine = _engine_name(entry.served)
            message.dtype = entry.served.info.dtype
            prefix = entry.served.tokenizer.prefix_token_id
            if prefix is not None:
                message.prefix_token_id = prefix
        return message

    def _cascade(self, cascade: Cascade) -> pb.Model:
        """A cascade as a model: without the fields that belong to its single models."""
        message = pb.Model(
            name=model_name(cascade.name),
            state=pb.State.Value(f"STATE_{cascade.state.name}"),
            state_cause=cascade.cause,
            revision=cascade.revision,
            cascade=[model_name(each.name) for each in cascade.models],
            calibration_stale_seconds=self._calibrators.stale_seconds,
            formats=FORMATS_SERVED,
            limits=self._limits_message(),
        )
        served = [each.served for each in cascade.models if each.served is not None]
        if len(served) == len(cascade.models):
            # What is too long for the first is asked of the last.
            message.limits.max_prompt_tokens = served[-1].max_prompt_tokens
        return message

    def _limits_message(self) -> pb.Limits:
        return pb.Limits(
            max_options=self._limits.max_options,
            max_items=self._limits.max_items,
            max_shots=self._limits.max_shots,
            max_top_tokens=MAX_TOP_TOKENS,
            max_stream_batches=self._limits.max_stream_batches,
        )


def identity_message(entry: ModelEntry, served: ServedModel) -> scoring_pb2.Identity:
    """What answered for a model."""
    return scoring_pb2.Identity(
        model_revision=entry.revision,
        tokenizer_revision=entry.tokenizer_revision,
        format_version=FORMAT_VERSION,
        engine=_engine_name(served),
        dtype=served.info.dtype,
    )


def _engine_name(served: ServedModel) -> str:
    return f"{served.info.name} {served.info.version}"

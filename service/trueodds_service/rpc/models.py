"""ModelService: which models are served, and what they can do."""

from trueodds.v1 import model_pb2 as pb
from trueodds.v1 import model_pb2_grpc
from trueodds_service.config import Limits
from trueodds_service.flows.catalog import Catalog, ModelEntry
from trueodds_service.rpc.names import model_name, parse_model
from trueodds_service.rpc.questions import FORMAT_MESSAGES
from trueodds_service.rpc.scoring import Context


class ModelServicer(model_pb2_grpc.ModelServiceServicer):
    """Tells what the catalog holds."""

    def __init__(self, catalog: Catalog, limits: Limits) -> None:
        self._catalog = catalog
        self._limits = limits

    async def ListModels(
        self, request: pb.ListModelsRequest, context: Context
    ) -> pb.ListModelsResponse:
        return pb.ListModelsResponse(models=[self._message(entry) for entry in self._catalog])

    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> pb.GetModelResponse:
        entry = self._catalog.find(parse_model(request.name, "name"))
        return pb.GetModelResponse(model=self._message(entry))

    def _message(self, entry: ModelEntry) -> pb.Model:
        message = pb.Model(
            name=model_name(entry.name),
            state=pb.STATE_STARTING,
            revision=entry.revision,
            teacher=model_name(entry.teacher) if entry.teacher else "",
            formats=list(FORMAT_MESSAGES.values()),
            limits=pb.Limits(
                max_options=self._limits.max_options, max_items=self._limits.max_items
            ),
        )
        if entry.served is not None:
            info = entry.served.info
            message.state = pb.STATE_READY
            message.limits.max_prompt_tokens = entry.served.max_prompt_tokens
            message.engine = f"{info.name} {info.version}"
            message.dtype = info.dtype
        return message

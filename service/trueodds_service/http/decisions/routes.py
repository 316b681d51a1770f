"""The paths of decisions: bodies in, the flow, answers out."""

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from trueodds_service.config import Settings
from trueodds_service.errors import InvalidInput, ServiceError
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.flows.catalog import Catalog
from trueodds_service.flows.decide import Decision, decide
from trueodds_service.flows.fit_decisions import fit_decisions
from trueodds_service.flows.outcomes import Outcomes
from trueodds_service.flows.score import Answer
from trueodds_service.flows.temperatures import active_temperatures, keep_temperatures
from trueodds_service.http.decisions import (
    fitting,
    openai_answers,
    openai_body,
    systemone,
    temperatures,
)
from trueodds_service.http.decisions.bodies import model_of, parsed
from trueodds_service.http.decisions.tasks import HEADER, task_of
from trueodds_service.http.endpoints import Endpoint, Entry
from trueodds_service.http.refusals import JSON, SYSTEMONE, refuse_at
from trueodds_service.rpc.as_json import calibrators_json, status_json
from trueodds_service.rpc.json_bodies import beside

# What these are in the contract: the gate lets them in as that.
_SCORES = "trueodds.v1.ScoringService/BatchScore"
_FITS = "trueodds.v1.CalibrationService/FitCalibrator"
_LISTS = "trueodds.v1.CalibrationService/ListCalibrators"


class Decisions:
    """Answers both contracts, by the settings where a request does not say."""

    def __init__(
        self, settings: Settings, catalog: Catalog, calibrators: Calibrators, outcomes: Outcomes
    ) -> None:
        """``outcomes`` know what seals the receipts of answers."""
        self._settings = settings
        self._catalog = catalog
        self._calibrators = calibrators
        self._outcomes = outcomes

    def routes(self, entry: Entry) -> list[Route]:
        answers = {
            "/v1/decisions": (_SCORES, self.openai),
            SYSTEMONE: (_SCORES, self.systemone),
            "/v1/decisions/calibrators": (_FITS, self.fit),
            "/v1/decisions/temperatures/import": (_FITS, self.import_temperatures),
            "/v1/decisions/temperatures/export": (_LISTS, self.export_temperatures),
        }
        return [
            Route(
                path,
                Endpoint(entry, method, answer, refuse_at(path, status_json)),
                methods=["POST"],
            )
            for path, (method, answer) in answers.items()
        ]

    async def openai(self, body: bytes, http: HttpRequest) -> Response:
        request = await parsed(openai_body.Request, body)
        key = await self._key(request)
        decision = await beside(len(body), partial(self._decision, request, http))
        answers = await self._answers(decision, request.field_of)
        return _as_json(openai_answers.response(request, answers, key))

    async def systemone(self, body: bytes, http: HttpRequest) -> Response:
        request = await parsed(systemone.Request, body)
        key = await self._key(request)
        decision = await beside(len(body), partial(self._decision, request, http))
        answers = await self._answers(decision, request.field_of)
        return _as_json(systemone.response(request, answers, key))

    async def fit(self, body: bytes, http: HttpRequest) -> Response:
        request = await parsed(fitting.Request, body)
        task, most = http.headers.get(HEADER), self._settings.limits.max_fit_items
        asked = await beside(len(body), partial(request.fit, task, most))
        try:
            fitted = await fit_decisions(asked, self._catalog, self._calibrators)
        except InvalidInput as error:
            raise request.placed(error) from error
        return Response(calibrators_json(fitted, self._calibrators), media_type=JSON)

    async def import_temperatures(self, body: bytes, http: HttpRequest) -> Response:
        request = await parsed(temperatures.ImportRequest, body)
        kept = await keep_temperatures(
            request.scope(http.headers.get(HEADER)),
            request.file.temperatures(request.options),
            self._catalog,
            self._calibrators,
            activate=request.activate,
        )
        return Response(calibrators_json(kept, self._calibrators), media_type=JSON)

    async def export_temperatures(self, body: bytes, http: HttpRequest) -> Response:
        request = await parsed(temperatures.ExportRequest, body)
        scope = request.scope(http.headers.get(HEADER))
        active = active_temperatures(scope, self._catalog, self._calibrators)
        return _as_json(temperatures.file_of(active))

    async def _key(self, request: Any) -> bytes | None:
        """What seals the receipts of a request's answers, where it wants some: asked for before an
        engine works in vain.
        """
        return await self._outcomes.key() if request.receipts else None

    def _decision(self, request: Any, http: HttpRequest) -> Decision:
        """Raises InvalidInput."""
        system, said = request.system_and_state()
        required = request.require_calibrated
        model = model_of(request.model)
        return Decision(
            model=model,
            system=system,
            state=said,
            questions=request.decision_questions(task_of(http.headers.get(HEADER), request.task)),
            cyclic=request.order == "cyclic",
            label_seed=request.label_seed,
            min_option_mass=request.min_option_mass,
            min_confidence=request.min_confidence,
            answer_sets=request.set_rules(model),
            require_calibrated=(
                self._settings.require_calibrated if required is None else required
            ),
        )

    async def _answers(
        self, decision: Decision, field_of: Callable[[int, str], str]
    ) -> list[Answer]:
        """Raises the first error of a question as the request's, of which ``field_of`` tells where
        the field is that the domain names.
        """
        result = await decide(decision, self._catalog, self._calibrators)
        answers = []
        for place, outcome in enumerate(result.outcomes):
            if isinstance(outcome, ServiceError):
                raise _of_question(outcome, partial(field_of, place))
            answers.append(outcome)
        return answers


def _as_json(told: Any) -> Response:
    return Response(msgspec.json.encode(told), media_type=JSON)


def _of_question(error: ServiceError, field_of: Callable[[str], str]) -> ServiceError:
    if not isinstance(error, InvalidInput):
        return error
    # However long a question is, what is cut is the state.
    said = "passage" if error.reason == "PROMPT_TOO_LONG" else error.field
    return InvalidInput(field_of(said), error.message, reason=error.reason)

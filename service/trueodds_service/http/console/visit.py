"""One request of a page: what it brought, who asks, and how it is answered."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from trueodds_service import caller
from trueodds_service.caller import Permission
from trueodds_service.edge.metrics.recent import Looks
from trueodds_service.errors import ServiceError
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.http.console import words
from trueodds_service.http.console.contract import Contract

_PAGES = Environment(
    loader=PackageLoader("trueodds_service.http.console"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGES.filters |= words.FILTERS


@dataclass(frozen=True, slots=True)
class Visit:
    """``form`` holds what was sent, by the names of its fields; empty where a page is only read.

    ``token`` is what its forms have to bring back, ``has_key`` whether the visitor signed in.
    """

    request: Request
    contract: Contract
    calibrators: Calibrators
    looks: Looks
    token: str
    has_key: bool
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_form(self) -> bool:
        return self.request.method == "POST"

    def asked(self, name: str) -> str:
        """A parameter of the address; empty where there is none. Never holds a prompt."""
        return self.request.query_params.get(name, "")

    def to(self, path: str, **parameters: str) -> str:
        """The address of a page of the console's."""
        query = f"?{urlencode(parameters)}" if parameters else ""
        return f"{self.request.scope.get('root_path', '')}{path}{query}"

    def page(self, template: str, status: int = 200, **shown: Any) -> Response:
        """A page, by its template."""
        known = {
            "to": self.to,
            "here": self.request.scope["path"].removeprefix(
                self.request.scope.get("root_path", "")
            ),
            "token": self.token,
            "has_key": self.has_key,
            "who": caller.current().name,
            "may_fit": Permission.FIT in caller.current().permissions,
        }
        return HTMLResponse(_PAGES.get_template(template).render(known | shown), status)

    def redirect(self, path: str, **parameters: str) -> Response:
        """On to another page, to be read: a form is not sent twice by a reload."""
        return RedirectResponse(self.to(path, **parameters), 303)

    async def models(self) -> Sequence[dict[str, Any]]:
        """As ``Model`` of the contract, each with its bare name as ``id``."""
        listed = await self.contract.ask("ModelService/ListModels", {})
        return [each | {"id": bare(each["name"])} for each in listed["models"]]


def bare(name: str) -> str:
    """The model's own name in the name of a resource."""
    return name.split("/")[1]


# What a page calls the fields of the contract's requests.
_FIELDS = {
    "question.text": "The question",
    "question.options": "The options",
    "settings.model": "The model",
    "settings.task": "The task",
    "settings.min_confidence": "The least confidence",
    "task": "The task",
}
_CAPITAL = re.compile(r"(?<=[a-z])[A-Z]")
_OPTION = re.compile(r"question\.options\[(\d+)\]")


def sentence(error: ServiceError) -> str:
    """What an error says, to somebody who knows the pages and not the contract."""
    name = getattr(error, "field", "")
    said = f"{_words(name)}: {error.message}" if name else error.message
    return f"{words.sentence(said)}."


def _words(name: str) -> str:
    """What a page calls a field; JSON may write it as settings.minConfidence."""
    known = _CAPITAL.sub(lambda found: f"_{found[0].lower()}", name)
    if option := _OPTION.match(known):
        return f"Option {int(option[1]) + 1}"
    return _FIELDS.get(known, name)

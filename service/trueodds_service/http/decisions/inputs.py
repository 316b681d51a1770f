"""The input of a decision in OpenAI's terms → what the model is told, and the state as one text."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from trueodds_service.errors import InvalidInput
from trueodds_service.http.decisions.bodies import Many, Strict, as_json

_MOST_JSON_BYTES = 256 * 1024


class Text(Strict):
    type: Literal["input_text"]
    text: str
    prompt_cache_breakpoint: Any = None


class Image(Strict):
    """Known, so that it can be refused by name."""

    type: Literal["input_image"]
    image_url: str
    detail: Any = None
    prompt_cache_breakpoint: Any = None


class Json(Strict):
    type: Literal["input_json"]
    data: dict[str, Any] | Many[dict[str, Any]]


class OutputText(Strict):
    type: Literal["output_text"]
    text: str


class SaidRefusal(Strict):
    type: Literal["refusal"]
    refusal: str


InputPart = Annotated[Text | Image | Json, Field(discriminator="type")]
OutputPart = Annotated[OutputText | SaidRefusal, Field(discriminator="type")]
Content = str | Many[InputPart]
ToolOutput = str | Many[Annotated[Text | Image, Field(discriminator="type")]]


class Told(Strict):
    """A message of a user, a developer or a system."""

    type: Literal["message"] = "message"
    role: Literal["user", "developer", "system"]
    content: Content


class Said(Strict):
    """A message of the assistant."""

    type: Literal["message"] = "message"
    role: Literal["assistant"]
    content: str | Many[OutputPart]
    phase: Any = None


class Call(Strict):
    """A call of a tool."""

    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str
    id: str | None = None
    namespace: str | None = None
    status: Any = None


class CustomCall(Strict):
    type: Literal["custom_tool_call"]
    call_id: str
    name: str
    input: str
    id: str | None = None
    namespace: str | None = None
    status: Any = None


class Output(Strict):
    """What a tool has returned to a call."""

    type: Literal["function_call_output", "custom_tool_call_output"]
    call_id: str
    output: ToolOutput
    id: str | None = None
    status: Any = None


def _kind(item: Any) -> str | None:
    if not isinstance(item, dict):
        return None
    kind = item.get("type", "message")
    if kind == "message":
        return "output_message" if item.get("role") == "assistant" else "input_message"
    return str(kind)


Item = Annotated[
    Annotated[Told, Tag("input_message")]
    | Annotated[Said, Tag("output_message")]
    | Annotated[Call, Tag("function_call")]
    | Annotated[CustomCall, Tag("custom_tool_call")]
    | Annotated[Output, Tag("function_call_output")]
    | Annotated[Output, Tag("custom_tool_call_output")],
    Discriminator(_kind),
]


def system_and_state(given: str | Sequence[Any]) -> tuple[str, str]:
    """What developers and systems say at the beginning, and the rest.

    One message of a user is its text; of more, each has its speaker before it. Raises InvalidInput
    at what cannot be read.
    """
    if isinstance(given, str):
        return "", _not_empty(given)
    items = [(f"input[{place}]", item) for place, item in enumerate(given)]
    system = [
        text_of(item.content, f"{name}.content")
        for name, item in takewhile(lambda each: _is_of_system(each[1]), items)
    ]
    match items := items[len(system) :]:
        case [(name, Told(role="user", content=content))]:
            state = text_of(content, f"{name}.content")
        case _:
            turns = _turns(items)
            # Who speaks is no text.
            _not_empty("".join(said for _, said in turns))
            state = "\n\n".join(f"{speaker}:\n{said}" for speaker, said in turns)
    return "\n\n".join(system), _not_empty(state)


def _is_of_system(item: Any) -> bool:
    return isinstance(item, Told) and item.role != "user"


def _turns(items: Sequence[tuple[str, Any]]) -> list[tuple[str, str]]:
    """Who speaks, and what is said."""
    called: dict[str, str] = {}
    turns: list[tuple[str, str]] = []
    for name, item in items:
        match item:
            case Told() | Said():
                turns.append((item.role, text_of(item.content, f"{name}.content")))
            case Call(arguments=said) | CustomCall(input=said):
                called[item.call_id] = item.name
                turns.append((f"assistant calls {item.name} ({item.call_id})", said))
            case Output():
                if (tool := called.get(item.call_id)) is None:
                    raise InvalidInput(f"{name}.call_id", "is of no call before it")
                said = text_of(item.output, f"{name}.output")
                turns.append((f"{tool} returns ({item.call_id})", said))
    return turns


def text_of(content: str | Sequence[Any], name: str) -> str:
    """A content of several parts as one text. Raises InvalidInput at an image."""
    if isinstance(content, str):
        return content
    return "\n".join(_part(part, f"{name}[{place}]") for place, part in enumerate(content))


def _part(part: Any, name: str) -> str:
    match part:
        case Image():
            raise InvalidInput(name, "is an image, which is not served", reason="NOT_SERVED")
        case Json():
            said = as_json(part.data, f"{name}.data")
            if len(said.encode()) > _MOST_JSON_BYTES:
                raise InvalidInput(f"{name}.data", "has more than 256 KiB")
            return said
        case SaidRefusal():
            return part.refusal
        case _:
            return str(part.text)


def _not_empty(state: str) -> str:
    if not state.strip():
        raise InvalidInput("input", "is empty")
    return state

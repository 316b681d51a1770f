"""Page tokens: where a listing goes on, readable only to the store."""

import base64
import json

from trueodds_service.store.errors import BadPageToken

_LAST = 2**31 - 1  # the largest that PostgreSQL keeps in an INTEGER


def make_token(model: str, task: str | None, position: int) -> str:
    """The token to go on below ``position`` in the listing of a model and task."""
    text = json.dumps([model, task, position])
    return base64.urlsafe_b64encode(text.encode()).decode()


def read_token(token: str, model: str, task: str | None) -> int:
    """The position in a token that was made for the same model and task.

    Raises:
        BadPageToken: it was made for others, or by no one here.
    """
    try:
        content = json.loads(base64.b64decode(token.encode(), altchars=b"-_", validate=True))
    except (ValueError, RecursionError) as error:
        raise BadPageToken("the page token cannot be read") from error
    match content:
        case [str() as its_model, str() | None as its_task, int() as position] if (
            not isinstance(position, bool) and 0 < position <= _LAST
        ):
            if (its_model, its_task) != (model, task):
                raise BadPageToken("the page token is from a listing of another model or task")
            return position
    raise BadPageToken("the page token cannot be read")

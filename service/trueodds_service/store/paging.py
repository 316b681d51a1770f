"""Page tokens: where a listing goes on, readable only to the store.

They name the last calibrator of the page, and not its place among all: that would tell one tenant
how many others have.
"""

import base64
import json
import re

from trueodds_service.store.errors import BadPageToken

_ID = re.compile("[0-9a-f]{1,64}")


def make_token(model: str, task: str | None, last_id: str) -> str:
    """The token to go on after a calibrator in the listing of a model and task."""
    text = json.dumps([model, task, last_id])
    return base64.urlsafe_b64encode(text.encode()).decode()


def read_token(token: str, model: str, task: str | None) -> str:
    """The calibrator's id in a token that was made for the same model and task.

    Raises:
        BadPageToken: it was made for others, or by no one here.
    """
    try:
        content = json.loads(base64.b64decode(token.encode(), altchars=b"-_", validate=True))
    except (ValueError, RecursionError) as error:
        raise BadPageToken("the page token cannot be read") from error
    match content:
        case [str() as its_model, str() | None as its_task, str() as last_id] if _ID.fullmatch(
            last_id
        ):
            if (its_model, its_task) != (model, task):
                raise BadPageToken("the page token is from a listing of another model or task")
            return last_id
    raise BadPageToken("the page token cannot be read")

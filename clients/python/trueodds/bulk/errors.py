"""What ends a run."""

from trueodds.files import FileError


class BulkError(FileError):
    """The run cannot go on, or not begin; the message says why and what to do."""

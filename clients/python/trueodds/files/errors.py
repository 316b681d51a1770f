"""What can be wrong with a file, as a whole and with one of its rows."""


class FileError(Exception):
    """The file cannot be read, or not with certainty; the message says why and what decides."""


class BadRow(Exception):
    """A row that is no question; the others are not concerned. ``field`` is its column."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field

"""What can go wrong in the store.

StoreError
├── CalibratorNotFound    the model has no calibrator of that id
├── NothingActive         a rollback where nothing is active
├── NotActive             a rollback of a calibrator that is not the active one
├── StillActive           a deletion of the active calibrator of a scope
├── TooManyCalibrators    one more than a tenant may have
├── RequestReused         a name of a request to fit that another request has
├── BadPageToken          a page token that this listing did not give (a ValueError as well)
├── BadArchive            a file of a store's content that is cut off, altered, or none
├── Contradiction         such a file tells otherwise than the store that it is to be added to
├── KeyNotFound           there is no valid key of that id
├── KeyNameTaken          a valid key of the tenant has that name
├── SchemaTooNew          the database was migrated by a newer version of the service
├── StoreCorrupt          a stored calibrator is not what its id says
└── StoreUnavailable      the database cannot be opened, reached or locked; worth a retry

Each takes one message, so that it can be pickled. The driver's error is kept as the cause.
"""

import re

# In a URL: what stands between the user's name and the host.
_PASSWORD = re.compile(r"(://[^:/@\s]*):\S*@")
# Or among the options of the driver.
_PASSWORD_OPTION = re.compile(r"([?&](?:ssl)?password=)[^&\s]*", re.IGNORECASE)


def without_password(text: str) -> str:
    """A text that may hold the URL of a database, for people to read."""
    return _PASSWORD_OPTION.sub(r"\1***", _PASSWORD.sub(r"\1:***@", text))


class StoreError(Exception):
    """The store could not do what it was asked to. Nothing was changed.

    Its message goes to logs and terminals, so no password of a URL stays in it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(without_password(message))


class CalibratorNotFound(StoreError):
    """The model has no calibrator of that id."""


class NothingActive(StoreError):
    """There is no activation to take back: nothing is active in the scope."""


class NotActive(StoreError):
    """The calibrator to take back is not the one that is active in its scope."""


class StillActive(StoreError):
    """The calibrator to delete is active in its scope."""


class TooManyCalibrators(StoreError):
    """The tenant has as many as it may."""


class RequestReused(StoreError):
    """Another request to fit has that name already."""


class BadPageToken(StoreError, ValueError):
    """The page token is damaged, or belongs to a listing of something else."""


class BadArchive(StoreError):
    """The file is no whole content of a store."""


class Contradiction(StoreError):
    """The file tells otherwise than the store. Nothing was changed."""


class KeyNotFound(StoreError):
    """There is no valid key of that id."""


class KeyNameTaken(StoreError):
    """A valid key of the tenant has that name."""


class SchemaTooNew(StoreError):
    """The database has a schema that this version of the service does not know."""


class StoreCorrupt(StoreError):
    """A stored calibrator is not what its id says; it must not be applied."""


class StoreUnavailable(StoreError):
    """The database cannot be opened, reached or locked at the moment."""

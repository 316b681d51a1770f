"""A store's content as one file that verifies itself, out of one database and into another.

JSON Lines: a header, calibrators, activations and requests in their order, and a last line with
their numbers and the SHA-256 of all bytes before it. The same content gives the same bytes.
"""

from trueodds_service.store.transfer.export import export_store
from trueodds_service.store.transfer.load import import_store

__all__ = ["export_store", "import_store"]

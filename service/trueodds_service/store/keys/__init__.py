"""API keys: each gives its holder permissions, for one tenant. Kept as hashes."""

from trueodds_service.store.keys.key import ApiKey
from trueodds_service.store.keys.secret import Secret, is_right, split
from trueodds_service.store.keys.sql import Mark, SqlKeyStore

__all__ = ["ApiKey", "Mark", "Secret", "SqlKeyStore", "is_right", "split"]

"""The text of a key, ``to_{id}_{secret}``, and the hash that is kept of it.

The id is public: it names the key in listings and in the audit log. The secret has 256 random bits.
"""

import hashlib
import hmac
import re
import secrets
from typing import NamedTuple, Self

_KEY = re.compile(r"to_([0-9a-f]{12})_([0-9a-f]{64})")
# RFC 7914, section 2: N, r and p. 16 MiB and some 50 ms, once for each key and gateway.
_COST = (2**14, 8, 1)
_SALT_BYTES = 16


class Secret(NamedTuple):
    """A new key: its ``text`` is shown once, its ``hash`` is kept."""

    id: str
    text: str
    hash: str

    @classmethod
    def new(cls) -> Self:
        """A key that nobody has had before."""
        key_id, secret = secrets.token_hex(6), secrets.token_hex(32)
        salt = secrets.token_bytes(_SALT_BYTES)
        kept = "$".join(("scrypt", *map(str, _COST), salt.hex(), _hash(secret, salt, *_COST).hex()))
        return cls(key_id, f"to_{key_id}_{secret}", kept)


def split(text: str) -> tuple[str, str] | None:
    """The id and the secret of a key; None where it is none."""
    found = _KEY.fullmatch(text)
    return None if found is None else (found[1], found[2])


def is_right(secret: str, kept: str) -> bool:
    """Whether a hash is of this secret; compared in constant time. Takes some 50 ms."""
    _, n, r, p, salt, expected = kept.split("$")
    found = _hash(secret, bytes.fromhex(salt), int(n), int(r), int(p))
    return hmac.compare_digest(found, bytes.fromhex(expected))


def _hash(secret: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(secret.encode(), salt=salt, n=n, r=r, p=p, dklen=32)

"""Which arm a request goes to: the same for one user at every request, and without knowing who he is.

A key (a user's id, a session) is hashed with the rollout's salt to a place in [0, 1), and the challenger has the places
below its share. So a larger share only ever adds users to the challenger, and a new salt deals anew. Nothing of the key
is kept: the salted hash (BLAKE2b, RFC 7693, which takes the salt as its key) leads back to it only for one who has the
salt and guesses.
"""

from __future__ import annotations

import secrets
from hashlib import blake2b

from eyas.core.errors import ConfigError

PLACES = 1 << 53  # so that a place is a float exactly
BY_KEY, BY_REQUEST = b"eyas.user", b"eyas.request"
SHORTEST_SALT, LONGEST_SALT = 8, 64  # bytes; 64 is what BLAKE2b takes as a key


class Assignment:
    """The places of keys under one salt.

    Args:
        salt: of the rollout, 8 to 64 bytes in UTF-8; see `new_salt`.

    Raises:
        ConfigError: a salt that is too short or too long.
    """

    def __init__(self, salt: str) -> None:
        encoded = check_salt(salt).encode()
        # Copying a keyed hash is faster than keying one.
        self._by_key = blake2b(key=encoded, digest_size=8, person=BY_KEY)
        self._by_request = blake2b(key=encoded, digest_size=8, person=BY_REQUEST)

    def place(self, key: str | None, request_id: str = "") -> float:
        """In [0, 1): uniform over keys.

        Args:
            key: of the user; None, or empty, where there is none.
            request_id: decides in its stead, so that the arm is drawn anew at each request.
        """
        hashed = self._by_key.copy() if key else self._by_request.copy()
        hashed.update((key or request_id).encode("utf-8", "surrogatepass"))
        return (int.from_bytes(hashed.digest()) >> 11) / PLACES


def new_salt() -> str:
    """A fresh one, of 128 random bits."""
    return secrets.token_hex(16)


def check_salt(salt: str) -> str:
    """Refuse a salt that anyone might guess, or that the hash does not take.

    Raises:
        ConfigError: it is shorter than 8 or longer than 64 bytes.
    """
    size = len(salt.encode())
    if not SHORTEST_SALT <= size <= LONGEST_SALT:
        raise ConfigError(f"a rollout's salt must have {SHORTEST_SALT} to {LONGEST_SALT} bytes, got {size}")
    return salt

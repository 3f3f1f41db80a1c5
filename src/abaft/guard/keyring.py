"""The secret key, and those of before that still open what they have closed."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from abaft.base import ids
from abaft.guard.signing_keys import derived

_NONCE = 12


@dataclass(frozen=True, slots=True)
class Keyring:
    """Closes with the first key what any of them opens."""

    keys: tuple[bytes, ...] = field(repr=False)

    def sealed(self, purpose: str, secret: bytes, owner: str = "") -> str:
        """The secret, to be kept where others read: it opens for this owner alone (AES-GCM)."""
        nonce = ids.random_bytes(_NONCE)
        cipher = AESGCM(derived(self.keys[0], purpose))
        return urlsafe_b64encode(nonce + cipher.encrypt(nonce, secret, owner.encode())).decode()

    def opened(self, purpose: str, text: str, owner: str = "") -> bytes | None:
        """What one of the keys has sealed; None: it was another, or it isn't as it was."""
        try:
            data = urlsafe_b64decode(text)
        except ValueError:
            return None
        for key in self.keys:
            cipher = AESGCM(derived(key, purpose))
            try:
                return cipher.decrypt(data[:_NONCE], data[_NONCE:], owner.encode())
            except (InvalidTag, ValueError):
                continue
        return None

    def current(self) -> Keyring:
        """The key of now alone."""
        return Keyring(self.keys[:1])

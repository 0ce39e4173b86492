"""Secrets that this house gives out: 256 random bits each, of which only a digest is kept."""

from __future__ import annotations

import secrets
from hashlib import sha256

LENGTH = 43
"""Characters of 256 bits in unpadded Base64 URL."""


def new_secret() -> str:
    """A secret of 256 random bits."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is kept of a secret: SHA-256 in hexadecimal."""
    return sha256(secret.encode()).hexdigest()


def looks_right(secret: str) -> bool:
    """Whether a text can be a secret of ours at all; nothing is looked up for others."""
    return (
        len(secret) == LENGTH
        and secret.isascii()
        and secret.replace("-", "").replace("_", "").isalnum()
    )

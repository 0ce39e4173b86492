"""Why somebody is not let in. None of these says more than the caller may know."""

from __future__ import annotations

from meterstone.errors import InputError, MeterstoneError


class SignInRefused(InputError):
    """Name or password, link, token or provider's answer did not hold."""


class TooManyAttempts(InputError):
    """Too many attempts failed; the next one is taken after ``retry_after_s`` seconds."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            "too many attempts failed",
            place="sign-in",
            mend=f"wait {retry_after_s} s and try again",
        )
        self.retry_after_s = retry_after_s


class Busy(MeterstoneError):
    """More people sign in at this moment than passwords can be checked."""

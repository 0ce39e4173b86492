"""The one exception tree of the house.

    MeterstoneError
    ├── InputError            what came in is wrong; the sender can mend it         (exit 2)
    │   ├── CatalogueError    a definition is wrong; names file and line
    │   ├── NotFound          what was asked for by its name or number is not there
    │   └── FormatError       bytes that no format of ours can read
    ├── HomeInUse             another process writes to this home                    (exit 2)
    ├── StorageError          the disk said no; nothing acknowledged was lost        (exit 2)
    ├── ConflictError         somebody else changed it meanwhile; read it again        (exit 2)
    │   └── LeaseLost         the right to do it ran out, or another has it
    └── VerificationFailed    a signed document does not hold                        (exit 1)

Every error carries *place*, *cause* and *mend*: where it is, what is wrong, what to do next.
"""

from __future__ import annotations

import difflib


class MeterstoneError(Exception):
    """An error a person can act on.

    Args:
        cause: what is wrong, in one sentence.
        place: where (file and line, fact and column, command).
        mend: what to do next.
    """

    exit_code = 2

    def __init__(self, cause: str, *, place: str = "", mend: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.place = place
        self.mend = mend

    def __str__(self) -> str:
        head = f"{self.place}: {self.cause}" if self.place else self.cause
        return f"{head}\n  mend: {self.mend}" if self.mend else head

    def as_dict(self) -> dict[str, str]:
        """The error as JSON-ready fields: ``error``, ``place``, ``cause``, ``mend``."""
        return {
            "error": type(self).__name__,
            "place": self.place,
            "cause": self.cause,
            "mend": self.mend,
        }


class InputError(MeterstoneError):
    """What came in is wrong; the sender can mend it."""


class CatalogueError(InputError):
    """A definition is wrong; ``place`` is ``file:line``."""


class NotFound(InputError):
    """What was asked for by its name or number is not there."""


class FormatError(InputError):
    """Bytes that cannot be read as the format they are said to be."""


class HomeInUse(MeterstoneError):
    """Another process holds the write lock of this home."""


class StorageError(MeterstoneError):
    """The disk refused; what was acknowledged before is safe."""


class ConflictError(MeterstoneError):
    """Somebody else changed it since it was read; nothing was changed by this call."""


class LeaseLost(ConflictError):
    """The lease ran out; another may do the work now, and what this holder did is refused."""


class VerificationFailed(MeterstoneError):
    """A signed document does not hold."""

    exit_code = 1


def suggest(word: str, known: list[str]) -> str:
    """'did you mean …' for a misspelt name, or the list of what is known when nothing is near."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    return "known: " + ", ".join(sorted(known))

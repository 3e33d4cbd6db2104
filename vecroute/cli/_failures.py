"""One image that could not be done is told in one line, and the others go on."""

import os

import msgspec

from vecroute.cli._terminal import name_of, say, show
from vecroute.errors import one_line


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong with an image: `kind` names the error, `message` says what to do."""

    image: str
    kind: str
    message: str

    def tell(self, *, json: bool) -> None:
        """Say it on standard error and, for programs, as an object of its own on standard output."""
        say(f"{self.image}: {self.message}")
        if json:
            problem = {"image": self.image, "error": {"kind": self.kind, "message": self.message}}
            show(msgspec.json.encode(problem).decode())


def failure_of(image: str | os.PathLike[str], exc: Exception) -> Failure:
    """Return the failure that an exception stands for."""
    reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
    text = f"cannot be read ({reason}); check the path and its permissions" if isinstance(exc, OSError) else reason
    return Failure(image=name_of(image), kind=type(exc).__name__, message=one_line(text))

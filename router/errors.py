"""What can be wrong with a value the router is given; each error says what to do next."""

from typing import Any


class CrossesProcesses(Exception):
    """An exception that pickles whole, though its constructor takes values and not the message."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[Exception], args: tuple[Any, ...], state: dict[str, Any]) -> Exception:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class RouterError(CrossesProcesses, ValueError):
    """Root of the router's errors: the caller handed in something that cannot be routed."""


class InvalidPlan(RouterError):
    """A plan parameter lies outside its bounds."""

    def __init__(self, name: str, value: float, low: float, high: float) -> None:
        super().__init__(f"plan parameter {name} is {value}; give a value from {low} to {high}")
        self.parameter = name


class InvalidConstraint(RouterError):
    """A target, budget, policy or preference makes no sense."""

    def __init__(self, parameter: str, value: object, expected: str) -> None:
        super().__init__(f"{parameter} is {value!r}; give {expected}")
        self.parameter = parameter


class InvalidFeatures(RouterError):
    """Features given by the caller cannot be used."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"feature {name}: {reason}")
        self.parameter = "features"


class InvalidImage(RouterError):
    """The bytes are not an image that can be read."""

    parameter = "image"


class NotAnImage(InvalidImage):
    """No known image format."""

    def __init__(self, size: int) -> None:
        super().__init__(
            f"{size} bytes are not an image; give PNG, JPEG, WebP, GIF, BMP or TIFF"
            if size
            else "the image is empty (0 bytes); give PNG, JPEG, WebP, GIF, BMP or TIFF"
        )


class DamagedImage(InvalidImage):
    """The header reads but the pixels do not."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the image is damaged ({reason}); save or copy it again")


class ImageTooLarge(InvalidImage):
    """More bytes or pixels than the limit."""

    def __init__(self, amount: int, limit: int, unit: str) -> None:
        super().__init__(f"the image has {amount:,} {unit}, the limit is {limit:,}; scale it down first")
        self.amount, self.limit, self.unit = amount, limit, unit

"""What can go wrong with a conversion; each error says what to do next."""

from router.errors import CrossesProcesses


class ConverterError(CrossesProcesses):
    """Root of the converter's errors."""


class ConversionFailed(ConverterError):
    """VTracer panicked, the worker died, or the SVG does not render."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the conversion failed ({reason}); try another method or a lower upscale")


class ConversionTimedOut(ConverterError):
    """A conversion took longer than allowed and its worker was ended."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"the conversion took longer than {seconds:g} s and was stopped; allow more time or upscale less"
        )


class ResultTooLarge(ConverterError):
    """A plan would trace more pixels, in all or a side, than the limit."""

    def __init__(self, amount: int, limit: int, unit: str = "pixels") -> None:
        super().__init__(f"the plan would trace {amount:,} {unit}, the limit is {limit:,}; lower its upscale")


class SourceUnfit(ConverterError):
    """The drawing beside an image is not the one that the image was made of, or cannot be compared with it."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the SVG beside the image is not taken for its source ({reason}); remove it or put the true one"
        )

"""What the command line itself can object to; each message is one line and says what to do next."""

from vecroute.errors import VecrouteError


class CommandError(VecrouteError):
    """The command cannot go on (exit code 1)."""


class UsageError(VecrouteError):
    """The command was called in a way that makes no sense (exit code 2)."""


class Unreadable(CommandError):
    """An input is no file that can be read as an image."""


class PlotsMissing(CommandError):
    """What draws the report's plots is not installed."""

    def __init__(self) -> None:
        super().__init__("matplotlib is not installed, --html needs it; run: pip install 'vecroute[report]'")

"""Log events go to stderr, one line each, as JSON or for people; they never hold an image's content."""

import json
import logging
import sys
from collections.abc import Sequence
from typing import Literal

import msgspec
import structlog
from structlog.typing import Processor

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def set_up_logs(kind: Literal["console", "json"], level: Literal["debug", "info", "warning", "error"]) -> None:
    """Make all of structlog's loggers write to stderr in this way."""
    ends: dict[str, Sequence[Processor]] = {
        "json": (structlog.processors.TimeStamper("iso", utc=True), structlog.processors.JSONRenderer(_json)),
        "console": (
            structlog.processors.TimeStamper("%H:%M:%S", utc=False),
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ),
    }
    # Tracebacks are plain text: richer ones show local variables, and those may be the image.
    trace: Sequence[Processor] = (structlog.processors.format_exc_info,) if kind == "json" else ()
    structlog.configure(
        processors=[structlog.processors.add_log_level, *trace, *ends[kind]],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _json(event: object, **_options: object) -> str:
    try:
        return msgspec.json.encode(event, enc_hook=str).decode()
    except UnicodeEncodeError:
        return json.dumps(event, default=str)  # escapes what is no Unicode: file names may hold any bytes

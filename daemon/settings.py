"""Settings come from a TOML file, `VECROUTE_*` and flags, are checked once at start and never change after."""

import os
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from daemon.errors import SettingsError
from daemon.truth import Rule
from models import DEFAULT_MODELS
from router import Policy, PolicyName
from router.errors import RouterError
from router.pixels import MAX_BYTES, MAX_PIXELS
from vecroute import default_socket
from vecroute._layout import LARGEST_ENTRIES
from vecroute._paths import UnsafeDirectory

PREFIX = "VECROUTE_"
# Names under our prefix that are not settings of the daemon.
OTHER_VARIABLES = frozenset({"VECROUTE_CONFIG", "VECROUTE_SHARED_CACHE"})

Count = Annotated[int, Meta(ge=1)]
# A day: longer is a slip, and what is not finite has no meaning to a clock.
LONGEST_SECONDS = 86_400
Seconds = Annotated[float, Meta(gt=0, le=LONGEST_SECONDS)]
Share = Annotated[float, Meta(ge=0, le=1)]
Octal = Annotated[str, Meta(pattern="^0?[0-7]{3}$")]


class Settings(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """Everything about the daemon that can be set; docs/settings.md tells what each name means.

    Raises:
        SettingsError: weights that do not sum to 1, or a caution or thrift that is not finite.
    """

    socket: Path = msgspec.field(default_factory=default_socket)
    socket_mode: Octal = "0600"
    models: Path = DEFAULT_MODELS
    lanes: Annotated[tuple[Literal["onnx", "torchscript"], ...], Meta(min_length=1)] = ("onnx", "torchscript")
    require_verified: bool = False
    watch: bool = True
    watch_step: Annotated[float, Meta(ge=0.01, le=LONGEST_SECONDS)] = (
        0.5  # in shorter ones the watcher does nothing else
    )
    recheck: Annotated[float, Meta(ge=0.1, le=LONGEST_SECONDS)] = 30.0
    cache_entries: Annotated[int, Meta(ge=1, le=LARGEST_ENTRIES)] = 10_000
    cache_ttl: Seconds = 3600.0
    cache_shared: bool = True
    inference_threads: Annotated[int, Meta(ge=1, le=256)] = 2
    queue_limit: Count = 64
    prediction_deadline: Seconds = 0.05
    request_timeout: Seconds = 10.0
    message_timeout: Seconds = 10.0
    write_timeout: Seconds = 10.0
    max_connections: Count = 1024
    max_image_bytes: Count = MAX_BYTES
    max_image_pixels: Count = MAX_PIXELS
    drain_seconds: Seconds = 10.0
    policy: PolicyName = Policy().name
    base_weight: Share = Policy().base_weight
    quality_weight: Share = Policy().quality_weight
    time_weight: Share = Policy().time_weight
    caution: Annotated[float, Meta(ge=0)] = Policy().caution
    thrift: Annotated[float, Meta(ge=0)] = Policy().thrift
    high_load: Share = Policy().high_load
    drift_error_factor: Annotated[float, Meta(ge=1, le=1000)] = Rule().error_factor
    drift_error_floor: Share = Rule().error_floor
    drift_correlation: Annotated[float, Meta(ge=-1, le=1)] = Rule().correlation
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    def __post_init__(self) -> None:
        try:
            self.decision_policy()
        except RouterError as error:
            raise SettingsError(
                f"policy (base-weight, quality-weight, time-weight, caution, thrift): {error}"
            ) from error

    def decision_policy(self) -> Policy:
        """Return the policy that these settings describe."""
        return Policy(
            name=self.policy,
            base_weight=self.base_weight,
            quality_weight=self.quality_weight,
            time_weight=self.time_weight,
            caution=self.caution,
            thrift=self.thrift,
            high_load=self.high_load,
        )

    def drift_rule(self) -> Rule:
        """Return when predictions count as drifted off."""
        return Rule(
            error_factor=self.drift_error_factor,
            error_floor=self.drift_error_floor,
            correlation=self.drift_correlation,
        )


NAMES: tuple[str, ...] = Settings.__struct_encode_fields__


def load_settings(
    config: Path | None = None, environment: Mapping[str, str] | None = None, flags: Mapping[str, str] | None = None
) -> Settings:
    """Return the settings; a flag wins over the environment, which wins over the file, which wins over defaults.

    Raises:
        SettingsError: an unknown name, a value out of bounds, a file that cannot be read, no safe place for a socket.
    """
    environment = os.environ if environment is None else environment
    config = config or (Path(path) if (path := environment.get("VECROUTE_CONFIG")) else None)
    file = _convert(_read(config), f"in {config}", strict=True) if config else {}
    variables = _convert(_variables(environment), "in the environment", strict=False)
    given = _convert(dict(flags or {}), "on the command line", strict=False)
    values = {name.replace("-", "_"): value for source in (file, variables, given) for name, value in source.items()}
    try:
        return Settings(**values)
    except UnsafeDirectory as error:
        raise SettingsError(f"no socket was named, and {error}") from error


def _read(config: Path) -> dict[str, object]:
    try:
        return tomllib.loads(config.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"cannot read {config}: {error}") from error


def _variables(environment: Mapping[str, str]) -> dict[str, object]:
    found = (n for n in environment if n.startswith(PREFIX) and n not in OTHER_VARIABLES)
    return {name.removeprefix(PREFIX).lower().replace("_", "-"): environment[name] for name in sorted(found)}


def _convert(values: Mapping[str, object], where: str, *, strict: bool) -> dict[str, typing.Any]:
    """Return values of the right types, by name; each problem is told with the name and the place it stands in."""
    _refuse_unknown(values, where)
    converted = {}
    for name, value in values.items():
        kind = _TYPES[name.replace("-", "_")]
        if not strict and name == "lanes" and isinstance(value, str):
            value = tuple(part.strip() for part in value.split(",") if part.strip())
        try:
            converted[name] = msgspec.convert(value, kind, strict=strict, dec_hook=_path)
        except msgspec.ValidationError as error:
            raise SettingsError(f"setting {name} {where} is {value!r}: {error}") from error
    return converted


def _refuse_unknown(names: Iterable[str], where: str) -> None:
    for name in names:
        if name not in NAMES:
            near = get_close_matches(name, NAMES, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(NAMES)}"
            raise SettingsError(f"unknown setting {name} {where}; {hint}")


def _path(kind: type, value: object) -> Path:
    if kind is Path and isinstance(value, str) and value:
        return Path(value).expanduser()
    raise ValueError("give a path")


_TYPES: Mapping[str, typing.Any] = types.MappingProxyType(typing.get_type_hints(Settings, include_extras=True))

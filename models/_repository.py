"""A repository is a directory of exports; the newest one that loads serves."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from models._digest import digest_of
from models._export import Export
from models._load import DEFAULT_EXPORT, builtin, load_export, load_policy_model
from models._manifest import MANIFEST_NAME
from models._policy import PolicyModel
from models._staging import describe
from models.errors import ExportError

# The exports that come with the package.
DEFAULT_MODELS = Path(__file__).parent / "exported"


class FoundExport(msgspec.Struct, frozen=True, kw_only=True):
    """One export as its manifest tells it; `problem` is why it cannot serve, or empty."""

    directory: Path
    name: str
    version: str = ""
    created: datetime = datetime.min.replace(tzinfo=UTC)
    problem: str = ""


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """The export that serves, and one line for each that was found broken on the way to it."""

    export: Export
    directory: Path | None
    problems: tuple[str, ...] = ()


def find_exports(models: Path) -> list[FoundExport]:
    """Return the exports under `models` and the one in it: newest first, of one age by name backwards (v2 before v1).

    Broken ones come last, and `models` itself if it cannot be read. Only manifests are read: whether the files are
    whole shows when one is loaded.
    """
    try:
        found = [_found(path) for path in _directories(models)]
    except OSError as exc:
        found = [FoundExport(directory=models, name=models.name, problem=f"cannot be read ({exc.strerror})")]
    return sorted(found, key=lambda one: (not one.problem, one.created, one.name), reverse=True)


def load_newest(
    models: Path,
    *,
    lanes: Sequence[str] = ("onnx", "torchscript"),
    require_verified: bool = False,
    staging: Path | None = None,
    defaults: Path | None = DEFAULT_EXPORT,
) -> Loaded:
    """Load the newest export that serves as it promises; else the newest that serves at all; else the built-in."""
    found, degraded = find_exports(models), list[Loaded]()
    problems = [f"{one.directory}: {one.problem}" for one in found if one.problem]
    for directory in [one.directory for one in found if not one.problem]:
        try:
            export = load_export(
                directory, lanes=lanes, require_verified=require_verified, staging=staging, defaults=defaults
            )
        except ExportError as exc:
            problems.append(str(exc))
            continue
        loaded = Loaded(export=export, directory=directory, problems=tuple(problems))
        if not export.degraded:
            return loaded
        problems += [f"{directory}: {problem}" for problem in export.problems]
        degraded.append(loaded)
    if degraded:
        return msgspec.structs.replace(degraded[0], problems=tuple(problems))
    return Loaded(export=builtin(staging=staging, defaults=defaults), directory=None, problems=tuple(problems))


def find_policy(models: Path, digest: str, *, defaults: Path | None = DEFAULT_EXPORT) -> PolicyModel | None:
    """Return the plan policy of the export with this digest under `models`, else the default export's, else None."""
    listed = (one.directory for one in find_exports(models) if not one.problem)
    found = next((directory for directory in listed if _listed_digest(directory) == digest), None)
    return load_policy_model(found, defaults=defaults)


def _listed_digest(directory: Path) -> str:
    """Return an export's digest by the hashes in its manifest; empty where it lacks one, or was just taken away."""
    try:
        described = describe(directory)
    except ExportError:
        return ""
    hashes = {name: entry.sha256 or "" for name, entry in described.manifest.files.items()}
    return digest_of(described.data, hashes) if all(hashes.values()) else ""


def _directories(models: Path) -> list[Path]:
    try:
        below = [path for path in models.iterdir() if not path.name.startswith(".") and path.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        # No such directory: then it holds no export, and the built-in serves.
        return []
    return [path for path in (models, *sorted(below)) if _is_export(path)]


def _is_export(directory: Path) -> bool:
    """Tell whether a directory holds a manifest, or something in its place that must be told."""
    try:
        (directory / MANIFEST_NAME).lstat()
    except FileNotFoundError:
        return False
    except OSError:
        # Not ours to look into; reading the manifest says why.
        return True
    return True


def _found(directory: Path) -> FoundExport:
    try:
        manifest = describe(directory).manifest
    except ExportError as exc:
        return FoundExport(directory=directory, name=directory.name, problem=exc.reason)
    return FoundExport(
        directory=directory, name=manifest.name, version=manifest.version, created=manifest.created_utc()
    )

"""Files are loaded from our own copy, hashed while it is made, so nothing can change under the loader."""

import errno
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from models._digest import copy_hashed, digest_of
from models._manifest import (
    FORMAT,
    GOLDEN,
    MANIFEST_NAME,
    POLICY,
    POLICY_GOLDEN,
    PREDICTOR,
    FileEntry,
    Manifest,
    UnknownFeatureName,
    decode_manifest,
)
from models._older import Bare, bare_manifest, is_bare
from models.errors import (
    FileDamaged,
    FileMissing,
    ManifestInvalid,
    ManifestMissing,
    StagingFailed,
    UnknownFeature,
    UnknownFormat,
)

MAX_MANIFEST_BYTES = 4 << 20  # metrics per family take a few kilobytes; more than this is no manifest
# Protobuf, and so ONNX, ends here; without a limit a sparse file would fill the disk, or the memory behind a tmpfs.
MAX_FILE_BYTES = 2 << 30
PREFIX = "vecroute-staged-"
# A copy lives for as long as one load, seconds; older ones were left by a process that was killed in between.
STALE_SECONDS = 3600.0


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """An export as its manifest tells it; `bare` holds what an older manifest said beyond that."""

    directory: Path
    manifest: Manifest
    data: bytes
    bare: Bare | None = None


class Staged(msgspec.Struct, frozen=True, kw_only=True):
    """An export whose files lie in `root`, copied and checked; `missing` says why it is unverified, or is empty."""

    described: Described
    root: Path
    digest: str
    missing: str

    @property
    def manifest(self) -> Manifest:
        return self.described.manifest


def default_staging() -> Path:
    """Return where copies are made: systemd's directories of the service, else the user's cache directory."""
    for variable in ("CACHE_DIRECTORY", "RUNTIME_DIRECTORY"):
        if given := os.environ.get(variable):
            return Path(given.split(":")[0])
    if given := os.environ.get("XDG_CACHE_HOME"):
        return Path(given) / "vecroute"
    try:
        return Path.home() / ".cache" / "vecroute"
    except RuntimeError:
        # A user without an entry and without $HOME, as in containers with a made-up user number.
        return Path(tempfile.gettempdir())


def describe(directory: Path) -> Described:
    """Read and check an export's manifest; touches no other file.

    Raises:
        ExportError: there is no manifest, or it is not valid.
    """
    data, modified = _read_manifest(directory)
    try:
        if is_bare(data):
            manifest, bare = bare_manifest(data, directory, modified)
            return Described(directory=directory, manifest=manifest, data=data, bare=bare)
        if (found := msgspec.json.decode(data, type=_Format).format) != FORMAT:
            raise UnknownFormat(directory, found, FORMAT)
        return Described(directory=directory, manifest=decode_manifest(data), data=data)
    except UnknownFeatureName as exc:
        raise UnknownFeature(directory, exc.name, exc.where) from exc
    except (ValueError, OverflowError, RecursionError) as exc:
        raise ManifestInvalid(directory, str(exc) or "nested too deeply") from exc
    except OSError as exc:
        raise ManifestMissing(directory, str(exc)) from exc


@contextmanager
def staged(described: Described, staging: Path | None, roles: frozenset[str] | None = None) -> Iterator[Staged]:
    """Give a checked private copy of an export's files, and remove it afterwards.

    `roles` limits the copy to the files that play one of them. Both runtimes read a file whole while they load it, so
    nothing needs the copy once the lanes stand.

    Raises:
        ExportError: a file is missing, damaged or changing, or the copy could not be made.
    """
    root = _private_directory(described.directory, staging)
    try:
        yield _fill(described, root, roles)
    finally:
        _remove(root)


class _Format(msgspec.Struct):
    format: object


def _read_manifest(directory: Path) -> tuple[bytes, float]:
    try:
        with open(directory / MANIFEST_NAME, "rb", opener=open_regular) as file:
            data, modified = file.read(MAX_MANIFEST_BYTES + 1), os.fstat(file.fileno()).st_mtime
    except OSError as exc:
        raise ManifestMissing(directory, exc.strerror or str(exc)) from exc
    if len(data) > MAX_MANIFEST_BYTES:
        raise ManifestInvalid(directory, f"it has more than {MAX_MANIFEST_BYTES:,} bytes")
    return data, modified


def _private_directory(export: Path, staging: Path | None) -> Path:
    """Make a directory for one copy; without one that we may write to, under the system's temporary directory."""
    try:
        if staging:
            return _made_in(staging)
        try:
            return _made_in(default_staging())
        except OSError:
            return _made_in(Path(tempfile.gettempdir()))
    except OSError as exc:
        raise StagingFailed(export, str(exc)) from exc


def _made_in(base: Path) -> Path:
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    _sweep(base)
    return Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))


def _fill(described: Described, root: Path, roles: frozenset[str] | None) -> Staged:
    """Copy the files into `root` by their hashes and say what could not be checked."""
    manifest, hashes = described.manifest, {}
    for name, entry in manifest.files.items():
        if roles is None or entry.role in roles:
            hashes[name] = _copy(described.directory, name, entry, root / name)
        else:
            hashes[name] = entry.sha256 or ""
    # Without hashes nothing else would notice that another export was being copied over this one.
    if _read_manifest(described.directory)[0] != described.data:
        raise FileDamaged(described.directory, MANIFEST_NAME, "it changed while the files were read")
    root.chmod(0o500)
    return Staged(
        described=described, root=root, digest=digest_of(described.data, hashes), missing=_unverifiable(manifest)
    )


def _copy(directory: Path, name: str, entry: FileEntry, target: Path) -> str:
    """Copy one file and return its SHA-256, which is the listed one if there is one."""
    try:
        descriptor = open_regular(str(directory / name), os.O_RDONLY)
    except OSError as exc:
        raise FileMissing(directory, name, exc.strerror or str(exc)) from exc
    with os.fdopen(descriptor, "rb") as source:
        before = _identity(descriptor)
        _check_size(directory, name, entry.bytes, os.fstat(descriptor).st_size)
        try:
            with target.open("xb") as copy:
                sha256, size = copy_hashed(source, copy)
        except OSError as exc:
            raise StagingFailed(directory, str(exc)) from exc
        if _identity(descriptor) != before or size != os.fstat(descriptor).st_size:
            raise FileDamaged(directory, name, "it changed while it was read")
    if entry.sha256 is not None and entry.sha256 != sha256:
        raise FileDamaged(directory, name, "its SHA-256 is not the one in the manifest")
    return sha256


def _check_size(directory: Path, name: str, listed: int | None, found: int) -> None:
    """Refuse a file before it is copied, if its size alone says that it cannot be right."""
    if listed is not None and listed != found:
        raise FileDamaged(directory, name, f"it has {found} bytes, the manifest says {listed}")
    if found > MAX_FILE_BYTES:
        raise FileDamaged(directory, name, f"it has {found:,} bytes, the limit is {MAX_FILE_BYTES:,}")


def _unverifiable(manifest: Manifest) -> str:
    if bare := [name for name, entry in manifest.files.items() if entry.sha256 is None or entry.bytes is None]:
        return f"no hash for {bare[0]}"
    if manifest.of_role(PREDICTOR) and not manifest.of_role(GOLDEN):
        return "no golden samples"
    if manifest.of_role(POLICY) and not manifest.of_role(POLICY_GOLDEN):
        return "no golden samples of the policy"
    return ""


def open_regular(path: str, flags: int) -> int:
    """Open without ever waiting on a FIFO, and refuse what is no regular file."""
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return descriptor


def _identity(descriptor: int) -> tuple[int, int, int]:
    status = os.fstat(descriptor)
    return status.st_ino, status.st_size, status.st_mtime_ns


def _sweep(base: Path) -> None:
    """Remove copies that a killed process of this user left behind."""
    for path in base.glob(f"{PREFIX}*"):
        try:
            status = path.lstat()  # in a shared directory a link of that name may lead anywhere
        except OSError:
            # Another process swept it first.
            continue
        stale = time.time() - status.st_mtime > STALE_SECONDS
        if stale and status.st_uid == os.geteuid() and stat.S_ISDIR(status.st_mode):
            _remove(path)


def _remove(root: Path) -> None:
    """Remove a copy, which is read-only; somebody who cleans up temporary files may have done it."""
    with suppress(OSError):
        root.chmod(0o700)
    shutil.rmtree(root, ignore_errors=True)

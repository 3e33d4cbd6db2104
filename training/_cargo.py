"""Folders that tasks read, as one value: packed where the run starts, unpacked once on each machine that takes part."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from training.errors import CargoRefused

Ref = TypeVar("Ref")


class Cargo(msgspec.Struct, Generic[Ref], frozen=True):
    """Files by name, each as something that its bytes can be had from; `digest` names the content."""

    digest: str
    files: dict[str, Ref]


def pack(paths: Iterable[Path], put: Callable[[bytes], Ref]) -> Cargo[Ref]:
    """Return the files as cargo; `put` stores bytes and returns what they can be had from."""
    digest = hashlib.blake2b(digest_size=16)
    files = {}
    for path in sorted(paths):
        data = path.read_bytes()
        digest.update(f"{path.name} {len(data)} ".encode() + data)
        files[path.name] = put(data)
    return Cargo(digest.hexdigest(), files)


def unpack(cargo: Cargo[Ref], get: Callable[[Ref], bytes]) -> Path:
    """Return a folder in this machine's temporary directory with the files, written unless they lie there already.

    Raises:
        CargoRefused: the folder belongs to somebody else.
    """
    folder = Path(tempfile.gettempdir()) / f"vecroute-{os.getuid()}-{cargo.digest}"
    if not folder.exists():
        _write(folder, {name: get(ref) for name, ref in cargo.files.items()})
    # Anybody may write into /tmp: what lies under our name must be ours.
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise CargoRefused(folder)
    return folder


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    # Written beside its place and renamed: several workers of a machine may unpack at once, and one may be killed.
    with tempfile.TemporaryDirectory(prefix=".vecroute-", dir=folder.parent) as building:
        content = Path(building) / "content"
        content.mkdir()
        for name, data in files.items():
            (content / name).write_bytes(data)
        try:
            content.rename(folder)
        except OSError:
            if not folder.exists():
                raise

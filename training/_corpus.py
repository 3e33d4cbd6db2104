"""The corpus: families of vector drawings, fetched as npm packages and read one drawing at a time."""

import json
import subprocess
import tarfile
import tempfile
import tomllib
import zlib
from pathlib import Path
from typing import Any, Literal

import msgspec

from training.errors import FamilyMissing

CORPUS_TOML = Path(__file__).with_name("corpus.toml")
NPM_TIMEOUT = 300.0  # seconds for one package; the largest has 14 MB
Split = Literal["train", "validate"]


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """One package of drawings: whole families are held out for validation."""

    package: str
    version: str
    licence: str
    images: int
    split: Split

    @property
    def name(self) -> str:
        """The package's name without its scope."""
        return self.package.split("/")[-1]

    @property
    def archive(self) -> str:
        """The file that `npm pack` writes."""
        return f"{self.package.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


class Drawing(msgspec.Struct, frozen=True, kw_only=True):
    """One vector drawing as SVG text with its nominal size."""

    name: str
    svg: str
    width: float
    height: float


def families() -> list[Family]:
    """Return the families that `corpus.toml` names."""
    tables = tomllib.loads(CORPUS_TOML.read_text())
    return [
        Family(package=package, split=split, **entry)
        for split in ("train", "validate")
        for package, entry in tables[split].items()
    ]


def fetch(family: Family, folder: Path) -> Path:
    """Return the family's archive, packed by npm unless it lies in the folder already.

    Raises:
        FamilyMissing: npm is absent or cannot fetch it.
    """
    target = folder / family.archive
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    # Packed beside its place: an archive cut short by a kill must never pass for a whole one.
    with tempfile.TemporaryDirectory(prefix=".pack-", dir=folder) as packing:
        packed = Path(packing) / family.archive
        _pack(family, packed)
        packed.replace(target)
    return target


def _pack(family: Family, packed: Path) -> None:
    command = ["npm", "pack", "--silent", f"{family.package}@{family.version}"]
    try:
        subprocess.run(command, cwd=packed.parent, check=True, capture_output=True, text=True, timeout=NPM_TIMEOUT)
    except FileNotFoundError as exc:
        raise FamilyMissing(family.package, "npm is not installed") from exc
    except subprocess.CalledProcessError as exc:
        reason = exc.stderr.strip().splitlines() or [str(exc)]
        raise FamilyMissing(family.package, f"npm pack failed: {reason[-1]}") from exc
    except subprocess.SubprocessError as exc:
        raise FamilyMissing(family.package, f"npm pack failed: {exc}") from exc
    if not packed.exists():
        raise FamilyMissing(family.package, f"npm pack did not write {family.archive}")


def drawings(archive: Path, package: str) -> dict[str, Drawing]:
    """Return a family's drawings by name.

    Raises:
        FamilyMissing: the archive is damaged, or holds no drawings.
    """
    try:
        with tarfile.open(archive) as tar:
            member = tar.extractfile("package/icons.json")
            if member is None:
                raise FamilyMissing(package, "its archive holds no icons.json")
            data = json.load(member)
        found = {name: _drawing(name, icon, data) for name, icon in sorted(data["icons"].items())}
    except (tarfile.TarError, zlib.error, EOFError, LookupError, TypeError, ValueError, OSError) as exc:
        raise FamilyMissing(package, f"{archive.name}: {exc}") from exc
    if not found:
        raise FamilyMissing(package, f"{archive.name} holds no drawings")
    return found


def _drawing(name: str, icon: dict[str, Any], defaults: dict[str, Any]) -> Drawing:
    width = float(icon.get("width", defaults.get("width", 16)))
    height = float(icon.get("height", defaults.get("height", 16)))
    left, top = icon.get("left", 0), icon.get("top", 0)
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{left} {top} {width:g} {height:g}" width="{width:g}" height="{height:g}">{icon["body"]}</svg>'
    )
    return Drawing(name=name, svg=svg, width=width, height=height)

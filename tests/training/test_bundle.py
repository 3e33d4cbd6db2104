"""An export's zip: the same bytes every time, what was checked and nothing else, and no zip of what cannot serve."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from models import HybridRouter, load_export
from models.errors import ExportError, FileDamaged, GoldenMismatch, ManifestMissing
from tests.exports import write_export, write_older_export
from training import _bundle
from training._bundle import Bundled, bundle, check
from training.errors import ExportUnfit

BOTH = ("onnx", "torchscript")


def test_the_zip_holds_the_export_in_one_directory_its_manifest_last(tmp_path: Path) -> None:
    export = write_export(tmp_path / "made", lanes=BOTH, name="logos", version="7")
    (export / "notes.txt").write_text("of no concern")
    done = bundle(export, tmp_path / "new" / "logos.zip")
    assert done == Bundled(directory="logos-7", lanes=BOTH, bytes=(tmp_path / "new" / "logos.zip").stat().st_size)
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["logos.zip"]

    with ZipFile(tmp_path / "new" / "logos.zip") as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "exported")
        assert {entry.date_time for entry in archive.infolist()} == {(2026, 1, 2, 3, 4, 4)}
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o100644}
    assert names == [*sorted(names[:-1]), "logos-7/model_info.json"]
    assert {Path(name).name for name in names} == {p.name for p in export.iterdir()} - {"notes.txt"}
    served = HybridRouter(tmp_path / "exported").export
    assert served.info == load_export(export).info
    assert served.lane == "onnx"


def test_the_bytes_depend_on_the_export_alone(tmp_path: Path) -> None:
    export = write_export(tmp_path / "made")
    bundle(export, tmp_path / "one.zip")
    for file in export.iterdir():
        file.touch()
        file.chmod(0o600)
    copied = export.rename(tmp_path / "elsewhere")
    bundle(copied, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_an_export_of_an_older_notebook_keeps_its_age(tmp_path: Path) -> None:
    export = write_older_export(tmp_path / "old", signature="vector")
    _edit(export, lambda info: info.pop("created", None))
    os.utime(export / "model_info.json", (1_600_000_000, 1_600_000_000))
    done = bundle(export, tmp_path / "old.zip")
    with ZipFile(tmp_path / "old.zip") as archive:
        archive.extractall(tmp_path / "exported")
        assert {entry.date_time for entry in archive.infolist()} == {(2020, 9, 13, 12, 26, 40)}
    assert load_export(tmp_path / "exported" / done.directory).lane == "onnx"


def _truncate(export: Path) -> None:
    (export / "quality_predictor.pt").write_bytes(b"half")


def _disagree(export: Path) -> None:
    other = write_export(export.parent / "other", lanes=BOTH, bias=0.01)
    (export / "quality_predictor.pt").write_bytes((other / "quality_predictor.pt").read_bytes())
    info = json.loads((export / "model_info.json").read_text())
    theirs = json.loads((other / "model_info.json").read_text())
    info["files"]["quality_predictor.pt"] = theirs["files"]["quality_predictor.pt"]
    (export / "model_info.json").write_text(json.dumps(info))


def _disagree_unseen(export: Path) -> None:
    _disagree(export)
    _edit(export, lambda info: info["files"].pop("golden.npz"))


def _no_predictor(export: Path) -> None:
    _edit(export, lambda info: [info["files"].pop(f"quality_predictor.{end}") for end in ("onnx", "pt")])


def _damaged_forest(export: Path) -> None:
    (export / "base_forest.onnx").write_bytes(b"no forest")
    _edit(export, lambda info: info["files"].update({"base_forest.onnx": {"role": "base_forest"}}))


def _edit(export: Path, change: Callable[[dict[str, Any]], object]) -> None:
    info = json.loads((export / "model_info.json").read_text())
    change(info)
    (export / "model_info.json").write_text(json.dumps(info))


@pytest.mark.parametrize(
    ("spoil", "error", "says"),
    [
        pytest.param(lambda e: (e / "model_info.json").unlink(), ManifestMissing, "cannot be read", id="no manifest"),
        pytest.param(_truncate, FileDamaged, "damaged or half copied", id="half a file"),
        pytest.param(_disagree, GoldenMismatch, "golden samples differ", id="a lane against its goldens"),
        pytest.param(_disagree_unseen, ExportUnfit, "its lanes are", id="lanes apart, no goldens"),
        pytest.param(_no_predictor, ExportUnfit, "no predictor", id="nothing that predicts"),
        pytest.param(_damaged_forest, ExportUnfit, "base_forest does not serve", id="a forest that is none"),
    ],
)
def test_what_cannot_serve_is_refused_and_nothing_is_written(
    tmp_path: Path, spoil: Callable[[Path], object], error: type[Exception], says: str
) -> None:
    export = write_export(tmp_path / "made", lanes=BOTH)
    spoil(export)
    out = tmp_path / "new" / "export.zip"
    with pytest.raises(error, match=says):
        bundle(export, out)
    assert not out.parent.exists()


def test_a_refused_export_leaves_the_zip_before_it(tmp_path: Path) -> None:
    export, out = write_export(tmp_path / "made"), tmp_path / "export.zip"
    bundle(export, out)
    before = out.read_bytes()
    (export / "golden.npz").unlink()
    with pytest.raises(ExportError):
        bundle(export, out)
    assert out.read_bytes() == before


def test_an_export_replaced_while_it_is_packed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export, out = write_export(tmp_path / "made"), tmp_path / "export.zip"
    real = _bundle.check

    def check_then_replace(directory: Path) -> object:
        checked = real(directory)
        write_export(directory, bias=0.1)
        return checked

    monkeypatch.setattr(_bundle, "check", check_then_replace)
    with pytest.raises(ExportUnfit, match="it changed while it was packed"):
        bundle(export, out)
    assert [p.name for p in tmp_path.iterdir()] == ["made"]


def test_each_lane_is_loaded_on_its_own(tmp_path: Path) -> None:
    assert {lane: one.lane for lane, one in check(write_export(tmp_path, lanes=BOTH)).items()} == {
        "onnx": "onnx",
        "torchscript": "torchscript",
    }


@pytest.mark.parametrize(
    ("name", "version", "directory"),
    [
        pytest.param("logos", "2026.11.25", "logos-2026.11.25", id="plain"),
        pytest.param("logos", "", "logos", id="no version"),
        pytest.param("../../etc", "1", "etc-1", id="a way out"),
        pytest.param(".hidden", "1", "hidden-1", id="hidden"),
        pytest.param("größe 2", "a/b", "gr-e-2-a-b", id="odd letters"),
        pytest.param("", "", "export", id="nothing"),
    ],
)
def test_directory_names_are_plain(tmp_path: Path, name: str, version: str, directory: str) -> None:
    export = write_export(tmp_path / "made", name=name, version=version)
    assert bundle(export, tmp_path / "export.zip").directory == directory


@pytest.mark.parametrize("created", ["1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_ages_that_a_zip_cannot_tell_are_moved_to_its_bounds(tmp_path: Path, created: str) -> None:
    bundle(write_export(tmp_path / "made", created=created), tmp_path / "export.zip")
    with ZipFile(tmp_path / "export.zip") as archive:
        assert archive.testzip() is None

"""The Colab notebook, run from top to bottom on tiny corpora without network: what it packs is served as it is."""

import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from zipfile import ZipFile

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from models import HybridRouter
from tests.daemon.harness import launch, stop, wait_ready
from tests.training.corpora import pack
from training import _corpus
from training._labelfile import read_labels
from training._parquet import write_tables
from training._run import Label

NOTEBOOK = Path("training/colab_export.ipynb")
LOGO = Path("examples/flat-logo.png")

PATIENCE = 300  # seconds, for a host that is busy; half a minute when it is not

Execute = Callable[..., nbformat.NotebookNode]


@pytest.fixture
def execute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Execute:
    """Return a function that runs the notebook up to a cell in an empty directory, choices in the environment."""
    for name in [name for name in os.environ if name.startswith("VECROUTE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(*, last: str = "download", **choices: object) -> nbformat.NotebookNode:
        for name, value in choices.items():
            monkeypatch.setenv(f"VECROUTE_{name}", str(value))
        notebook = committed()
        ids = [cell.id for cell in notebook.cells]
        notebook.cells = notebook.cells[: ids.index(last) + 1]
        folder = tmp_path / "elsewhere"
        folder.mkdir()
        return NotebookClient(
            notebook, timeout=PATIENCE, kernel_name="python3", resources={"metadata": {"path": folder}}
        ).execute()

    return run


@pytest.fixture
def corpus_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a corpus with a small archive for every family that `corpus.toml` really names."""
    monkeypatch.setattr(_corpus, "CORPUS_TOML", Path(_corpus.__file__).with_name("corpus.toml"))
    for family in _corpus.families():
        pack(tmp_path / "corpus", family)
    return tmp_path / "corpus"


def committed() -> nbformat.NotebookNode:
    notebook: nbformat.NotebookNode = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call] # has no types
    return notebook


def shown(notebook: nbformat.NotebookNode, cell: str) -> str:
    """Return what a cell printed."""
    outputs = next(one for one in notebook.cells if one.id == cell).outputs
    return "".join(output.text for output in outputs if output.output_type == "stream")


@pytest.mark.timeout(PATIENCE)
def test_from_drawings_to_a_zip_that_a_daemon_serves(execute: Execute, corpus_of_all: Path, tmp_path: Path) -> None:
    done = execute(QUICK=1, CORPUS=corpus_of_all, WORK=tmp_path / "work")
    assert "device: " in shown(done, "install")
    assert "label: " in shown(done, "labels")
    assert "whole held-out families, " in shown(done, "look")
    displayed = [output.data for cell in done.cells for output in cell.get("outputs", []) if "data" in output]
    assert "image/png" in displayed[0]
    assert "| families | constrained |" in displayed[1]["text/markdown"]
    assert "lanes onnx and torchscript" in shown(done, "pack")
    assert str(tmp_path / "work" / "export.zip") in shown(done, "download")

    models = tmp_path / "exported"
    with ZipFile(tmp_path / "work" / "export.zip") as archive:
        archive.extractall(models)
    router = HybridRouter(models)
    decision = router.route(LOGO, quality_target=0.9)
    assert (router.problems, decision.lane, decision.fallback_used) == ((), "onnx", False)
    assert decision.export is not None
    assert decision.export.name == "vecroute-default"
    assert [p.name for p in models.iterdir()] == [f"vecroute-default-{decision.export.version}"]

    daemon = launch(tmp_path, tmp_path / "router", {"models": models})
    try:
        wait_ready(daemon)
        with daemon.client() as client:
            served = client.route(LOGO, quality_target=0.9)
    finally:
        stop(daemon)
    assert (served.lane, served.plan, served.export) == ("onnx", decision.plan, decision.export)


@pytest.mark.timeout(PATIENCE)
def test_finished_labels_are_taken_over(
    execute: Execute, tmp_path: Path, searched: list[Label], labelled: list[Label], fitted: Path
) -> None:
    write_tables(tmp_path / "tables", {"search": searched, "label": labelled})
    done = execute(last="labels", LABELS=tmp_path / "tables", LABELS_EXPORT=fitted, WORK=tmp_path / "work")
    assert "100% of the plans on offer" in shown(done, "labels")
    assert list(read_labels(tmp_path / "work" / "label.jsonl")) == labelled


@pytest.mark.timeout(PATIENCE)
def test_a_failed_step_stops_the_notebook_and_says_why(execute: Execute, tmp_path: Path) -> None:
    with pytest.raises(CellExecutionError, match="the lines above say why") as stopped:
        execute(LABELS=tmp_path / "none", WORK=tmp_path / "work")
    assert "images.parquet is damaged" in str(stopped.value)


def test_the_committed_notebook_is_valid_small_and_without_outputs() -> None:
    notebook = committed()
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert [cell.id for cell in code if "parameters" in cell.metadata.get("tags", [])] == ["parameters"]
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    # Words before each piece of code, and no work in it: that lies in the package, where it is tested.
    assert all(a.cell_type != b.cell_type for a, b in pairwise(notebook.cells[1:]))
    assert all(cell.source.count("\n") < 45 for cell in code)

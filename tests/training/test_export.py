"""What training writes is what the network answered, in both lanes, and loads as an export."""

import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime
import pytest
import torch
from sklearn.pipeline import Pipeline

from models import HybridRouter, load_export
from models._compose import Composer
from models._manifest import FeaturesInput
from models._staging import describe
from router import FEATURE_NAMES
from router.pixels import sample_of
from tests.router.drawings import disc
from tests.training.conftest import SEED, WIDTH
from tests.training.test_forest import where_best
from training import _fit
from training._evaluate import sample_of_label
from training._export import INPUTS, TOLERANCE, Trained, regressor_as_onnx, write_export
from training._fit import NEIGHBOURS, PRICING, Problem, fill_values, fit_regressor, outputs
from training._forest import fit_forest
from training._learn import normalised, scaling, train
from training._network import FARTHEST, OUTPUTS
from training._policy import _fitted
from training._run import Label
from training._steps import _sample
from training._tables import Array, Table

CREATED = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture(scope="module")
def trained(table: Table, given: Problem, labelled: list[Label]) -> Trained:
    images = np.flatnonzero(table.splits == "train")
    scale = scaling(table, images)
    predictor = train(table, scale, seed=SEED, epochs=2)
    winners = where_best(labelled, ["performance", "feature_mapping", "regression", "performance"])
    return Trained(
        regressor=regressor_as_onnx(fit_regressor(given, SEED), WIDTH),
        fill=fill_values(table),
        trained_on="a test",
        predictor=predictor,
        scale=scale,
        sample=_sample(table, scale),
        forest=fit_forest(winners, np.arange(len(labelled)), SEED),
        methods=("performance", "feature_mapping", "regression"),
        metrics={"pearson": 0.5},
        metrics_per_family={"families": {"mae": 0.1}},
    )


@pytest.fixture(scope="module")
def export(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "deep" / "one"
    write_export(trained, folder, name="test", created=CREATED)
    return folder


@pytest.fixture(scope="module")
def session(export: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(export / "quality_predictor.onnx"))


@pytest.fixture(scope="module")
def script(export: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # as in models: exports hold TorchScript by contract
        return torch.jit.load(str(export / "quality_predictor.pt"))


@pytest.mark.parametrize("plans", range(1, 9))
def test_both_lanes_answer_what_the_network_answers(
    trained: Trained, session: onnxruntime.InferenceSession, script: Any, plans: int
) -> None:
    assert trained.sample is not None
    assert trained.predictor is not None
    features, thumbnail, rows = trained.sample
    rng = np.random.default_rng(plans)
    arrays: list[Array] = [
        rng.normal(size=features.shape).astype(np.float32),
        rng.normal(size=thumbnail.shape).astype(np.float32),
        np.full((1, 1), plans % 2, np.float32),
        rng.normal(size=(plans, rows.shape[1])).astype(np.float32),
    ]
    tensors = [torch.tensor(array) for array in arrays]
    with torch.no_grad():
        said = trained.predictor(*tensors).numpy()
        scripted = script(*tensors).numpy()
    (as_onnx,) = session.run(["out"], dict(zip(INPUTS, arrays, strict=True)))
    assert said.shape == (plans, len(OUTPUTS))
    assert scripted == pytest.approx(said, abs=TOLERANCE)
    assert as_onnx == pytest.approx(said, abs=TOLERANCE)


def test_features_are_served_to_the_last_bit_as_they_were_trained_on(
    export: Path, trained: Trained, table: Table
) -> None:
    """A millionth is what parts an image without transparency from one with a transparent pixel; trees tell them."""
    assert trained.scale is not None
    inputs = describe(export).manifest.inputs
    composer = Composer([one for one in inputs if isinstance(one, FeaturesInput)])
    served = [composer.compose(sample_of_label(label), [])["features"][0] for label in table.labels]
    assert np.array_equal(np.clip(served, -FARTHEST, FARTHEST), normalised(table, trained.scale))


@pytest.mark.parametrize("lane", ["onnx", "torchscript"])
def test_it_loads_verified_in_either_lane_and_predicts(export: Path, lane: str) -> None:
    loaded = load_export(export, lanes=(lane,), require_verified=True, defaults=None)
    assert loaded.lane == lane
    assert not loaded.problems
    assert loaded.info.verified
    assert (loaded.info.name, loaded.info.version, loaded.info.trained_on) == ("test", "2026.03.04", "a test")
    assert loaded.info.metrics == {"pearson": 0.5}
    found = loaded.predict(sample_of(disc(), 2000))
    assert {c.method for c in found.candidates} == {"performance", "feature_mapping", "regression"}
    assert all(0 <= c.quality <= 1 and c.seconds_high >= c.seconds > 0 for c in found.candidates)
    assert set(found.base) == {"performance", "feature_mapping", "regression"}


def test_features_and_thumbnail_are_composed_as_in_training(table: Table, export: Path, trained: Trained) -> None:
    """An image of the table, sent through the models package, gets what the network says of its row."""
    from training._evaluate import sample_of_label

    assert trained.predictor is not None
    one = table.labels[0]
    run = next(run for run in one.runs if run.origin == "performance")
    loaded = load_export(export, lanes=("onnx",), defaults=None)
    found = next(c for c in loaded.predict(sample_of_label(one)).candidates if c.plan == run.plan)
    assert trained.sample is not None
    features, thumbnail, plans = (torch.tensor(array) for array in trained.sample)
    row = [run.plan for run in one.runs[:8]].index(run.plan)
    with torch.no_grad():
        said = trained.predictor(features, thumbnail, torch.ones(1, 1), plans)[row]
    assert found.quality == pytest.approx(float(said[0]), abs=1e-4)
    assert np.log(found.seconds) == pytest.approx(float(said[2]), abs=1e-3)
    assert np.log(found.svg_bytes) == pytest.approx(float(said[4]), abs=1e-3)


def test_the_manifest_names_every_file_with_its_hash(export: Path) -> None:
    manifest = msgspec.json.decode((export / "model_info.json").read_bytes())
    listed = set(manifest["files"])
    assert {p.name for p in export.iterdir()} == listed | {"model_info.json"}
    assert manifest["created"] == "2026-03-04T05:06:07Z"
    assert manifest["format"] == 1
    assert all(entry["bytes"] == (export / name).stat().st_size for name, entry in manifest["files"].items())
    assert [p.name for p in export.parent.iterdir()] == [export.name]


def test_writing_again_replaces_it_and_the_same_models_give_the_same_goldens(
    trained: Trained, export: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "one"
    write_export(trained, folder, name="before", created=CREATED)
    write_export(trained, folder, name="test", created=CREATED)
    assert load_export(folder, defaults=None).info.name == "test"
    with np.load(folder / "golden.npz") as one, np.load(export / "golden.npz") as other:
        assert all(np.array_equal(one[name], other[name]) for name in other.files)


def test_a_regressor_alone_is_an_export_too(fitted: Path) -> None:
    loaded = load_export(fitted, defaults=None)
    assert loaded.lane == "base"
    assert {method for method, _ in loaded.candidates(sample_of(disc(), 2000).features)} >= {"regression"}


def test_a_regressor_keeps_the_features_that_it_was_fitted_on(table: Table, given: Problem, tmp_path: Path) -> None:
    older = FEATURE_NAMES[:-2]
    columns = [*range(len(older)), len(FEATURE_NAMES)]  # and the step
    narrow = msgspec.structs.replace(given, rows=given.rows[:, columns])
    trained = Trained(
        regressor=regressor_as_onnx(fit_regressor(narrow, SEED), len(columns)),
        regressor_features=older,
        fill=fill_values(table),
        trained_on="a test",
    )
    write_export(trained, tmp_path / "one", name="test", created=CREATED)
    loaded = load_export(tmp_path / "one", defaults=None)
    assert "regression" in {method for method, _ in loaded.candidates(sample_of(disc(), 2000).features)}
    again = _fitted(tmp_path / "one")
    assert again.regressor_features == older
    assert again.fill[: len(older)] == pytest.approx(trained.fill[: len(older)], rel=1e-4)


@pytest.mark.parametrize(
    "kind",
    [
        "extra trees",
        "random forest",
        "neighbours",
        "trees pricing",
        "network pricing",
    ],
)
def test_a_regressor_of_any_kind_answers_as_onnx_what_the_model_chooses(
    given: Problem, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """One that prices archetypes answers the outputs of the cheapest of them, the others what they name."""
    every = _fit._kinds
    monkeypatch.setattr(_fit, "_kinds", lambda *args: {kind: every(*args)[kind]})
    fitted = fit_regressor(given, SEED)
    rng = np.random.default_rng(3)
    rows = np.concatenate([given.rows, given.rows[rng.permutation(len(given.rows))] * rng.normal(1, 0.1, WIDTH)])
    rows = rows.astype(np.float32)
    said = np.asarray(fitted.model.predict(rows))
    if kind in PRICING:
        assert fitted.archetypes == given.archetypes
        said = np.array([outputs(plan) for plan in given.archetypes])[said.argmin(axis=1)]
    session = onnxruntime.InferenceSession(regressor_as_onnx(fitted, WIDTH))
    (answer,) = session.run([session.get_outputs()[-1].name], {session.get_inputs()[0].name: rows})
    assert answer.shape == (len(rows), len(_fit.OUTPUTS))
    clear = _clear(fitted.model, rows) if kind == "neighbours" else np.ones(len(rows), dtype=bool)
    assert clear.mean() > 0.8
    assert answer[clear] == pytest.approx(said[clear], abs=1e-3)


def _clear(model: Pipeline, rows: np.ndarray) -> np.ndarray:
    """Tell the rows whose nearest neighbours single precision tells from the next one too."""
    scaler, neighbours = (step for _, step in model.steps)
    distances, _ = neighbours.kneighbors(scaler.transform(rows), NEIGHBOURS + 1)
    return np.asarray(distances[:, -1] - distances[:, -2] > 1e-4 * distances[:, -1])


def test_a_router_serves_it(export: Path) -> None:
    decision = HybridRouter(export.parent).route({"image_area": 4096.0, "edge_density": 0.1}, quality_target=0.9)
    assert (decision.lane, decision.colab_trained) == ("onnx", True)
    assert decision.export is not None
    assert decision.export.name == "test"


def test_what_fails_leaves_nothing_behind(trained: Trained, tmp_path: Path) -> None:
    broken = msgspec.structs.replace(trained, forest=object())
    with pytest.raises(Exception, match="object"):
        write_export(broken, tmp_path / "models" / "one", name="test", created=CREATED)
    assert list((tmp_path / "models").iterdir()) == []

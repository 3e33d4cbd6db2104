"""The method table offers at most eight plans; another method is another entry."""

from pathlib import Path

import msgspec
import pytest

from models import _methods
from models._manifest import PolicySpec, RegressorSpec
from models._methods import Roles, candidates, refinement_start
from models._policy import PolicyModel
from models._regressor import Regressor
from router import MAX_CANDIDATES, Features, Plan
from router.formulas import feature_mapping_plans, fine_plan, performance_plans
from tests import exports

FEATURES = Features(edge_density=0.1, image_area=65536.0)


def roles(directory: Path) -> Roles:
    spec = msgspec.convert(exports.manifest({}, name="", version="", created="")["regressor"], RegressorSpec)
    (directory / "regressor.onnx").write_bytes(exports.regressor_onnx())
    return Roles(regressor=Regressor(directory / "regressor.onnx", spec))


def test_without_models_the_formulas_offer_their_plans() -> None:
    offered = candidates(FEATURES, Roles())
    assert [plan for method, plan in offered if method == "performance"] == list(performance_plans(FEATURES))
    assert [plan for method, plan in offered if method == "feature_mapping"] == list(feature_mapping_plans(FEATURES))
    assert {method for method, _ in offered} == {"performance", "feature_mapping"}


def test_with_a_regressor_every_method_takes_part(tmp_path: Path) -> None:
    offered = candidates(FEATURES, roles(tmp_path))
    assert [method for method, _ in offered if method == "regression"] == ["regression"] * 4
    assert len(offered) <= MAX_CANDIDATES


def test_the_regressors_plans_spare_small_images(tmp_path: Path) -> None:
    small, large = (
        [plan for method, plan in candidates(Features(short_side=side), roles(tmp_path)) if method == "regression"]
        for side in (32.0, 320.0)
    )
    assert (
        [plan.filter_speckle for plan in small]
        == [min(plan.filter_speckle, plan.upscale + 1) for plan in large]
        != [plan.filter_speckle for plan in large]
    )


def test_features_that_nobody_measured_still_give_plans(tmp_path: Path) -> None:
    offered = {method for method, _ in candidates(Features(), roles(tmp_path))}
    assert offered == {"performance", "feature_mapping", "regression"}


def test_refinement_starts_from_the_fine_plan_of_the_formulas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_methods, "MAX_CANDIDATES", 16)
    spec = msgspec.convert(exports.POLICY, PolicySpec, strict=False)
    both = msgspec.structs.replace(roles(tmp_path), policy=PolicyModel(spec=spec, data=b"", digest=""))
    offered = candidates(FEATURES, both)
    assert [plan for method, plan in offered if method == "ppo"] == [refinement_start(FEATURES)]
    assert refinement_start(FEATURES) == feature_mapping_plans(FEATURES)[-1] == fine_plan(FEATURES)
    assert "ppo" not in dict(candidates(FEATURES, roles(tmp_path)))


def test_another_method_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    plans = (Plan(upscale=4),) * MAX_CANDIDATES
    monkeypatch.setitem(_methods.METHOD_PLANS, "ppo", lambda features, roles, regression: plans)
    offered = candidates(FEATURES, Roles())
    assert ("ppo", Plan(upscale=4)) in offered
    assert len(offered) == MAX_CANDIDATES

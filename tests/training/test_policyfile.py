"""A trained policy comes back from its folder as it was, or not at all."""

from pathlib import Path

import pytest

from tests import exports
from tests.training.scenes import SPEC
from training._policyfile import SPEC as SPEC_FILE
from training._policyfile import TrainedPolicy, read_policy, write_policy
from training.errors import PolicyDamaged

POLICY = TrainedPolicy(spec=SPEC, onnx=exports.policy_onnx(), golden=b"golden")


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    write_policy(POLICY, tmp_path / "deep" / "policy")
    write_policy(POLICY, tmp_path / "deep" / "policy")
    assert read_policy(tmp_path / "deep" / "policy") == POLICY


def test_without_one_there_is_none(tmp_path: Path) -> None:
    assert read_policy(tmp_path) is None


@pytest.mark.parametrize("text", ["{", '{"names": []}', '{"charm": 1}'])
def test_a_damaged_one_is_told(tmp_path: Path, text: str) -> None:
    write_policy(POLICY, tmp_path)
    (tmp_path / SPEC_FILE).write_text(text)
    with pytest.raises(PolicyDamaged, match="run `python -m training ppo` again"):
        read_policy(tmp_path)

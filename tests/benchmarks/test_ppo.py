"""The benchmark of the policy: which images it takes, what it prints, and what it says when something is missing."""

from pathlib import Path

import pytest

from benchmarks import ppo
from benchmarks.__main__ import main
from tests.exports import write_export
from tests.training.test_policy_evaluation import spec
from training._policy_evaluation import Summary


def test_held_out_images_of_a_split_families_in_turn() -> None:
    specs = [spec("a", "1"), spec("a", "2"), spec("b", "3")]
    chosen = ppo.held_out(specs, "images", 2, 100)
    assert {one.family for one in chosen} == {"a", "b"}
    assert ppo.held_out(specs, "families", 2, 100) == []
    assert ppo.held_out(specs, "images", 2, 10) == []


def test_a_row_for_each_search() -> None:
    one = Summary(
        images=3, quality=0.97, error_ratio=0.8, better=0.5, seconds=0.25, svg_bytes=9000, steps=3.5, overrun=0.0
    )
    assert ppo.lines({"ppo": one})[1] == ("ppo", "0.9700", "0.800", "50%", "250", "9.0", "3.5", "0.0%")


@pytest.mark.parametrize("policy", [True, False], ids=["no labels", "no policy"])
def test_what_is_missing_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], policy: bool) -> None:
    export = write_export(tmp_path / "one", policy=policy)
    assert ppo.main(["--export", str(export), "--labels", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("benchmarks: ")
    assert said.count("\n") == 1


def test_it_runs_where_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[list[str]]()

    def ran(options: list[str]) -> int:
        asked.append(options)
        return 0

    monkeypatch.setattr(ppo, "main", ran)
    assert main(["ppo", "--quick", "--json", str(tmp_path)]) == 0
    assert asked == [["--quick", f"--json={tmp_path / 'ppo'}.json"]]

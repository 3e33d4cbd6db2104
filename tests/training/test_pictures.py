"""Held-out images as files: each beside its source, none of a training image, families in turn."""

from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pytest

from converter import render
from router.pixels import decode
from tests.training.conftest import small_specs
from tests.training.corpora import HELD_OUT, TRAINED
from tests.training.test_images import CLEAN, DISC
from training._images import Grade, Ground, ImageSpec, draw
from training._pictures import source, spread, write_pictures
from training.errors import FamilyMissing


@pytest.fixture
def held_out() -> list[ImageSpec]:
    """Specs of both families, all held out."""
    trained = [msgspec.structs.replace(spec, split="images") for spec in small_specs(TRAINED, 4)]
    return [*trained, *small_specs(HELD_OUT, 3)]


def test_no_training_image_and_families_in_turn(held_out: list[ImageSpec]) -> None:
    trained = [msgspec.structs.replace(spec, split="train", seed=1) for spec in held_out]
    assert sorted(s.key for s in spread([*trained, *held_out])) == sorted(s.key for s in held_out)
    assert Counter(s.family for s in spread(held_out, 4)) == {"shapes": 2, "badges": 2}
    assert Counter(s.family for s in spread(held_out, 100)) == {"shapes": 4, "badges": 3}


def test_each_image_lies_beside_its_source(held_out: list[ImageSpec], corpus: Path, tmp_path: Path) -> None:
    done: list[None] = []
    write_pictures(held_out, corpus, tmp_path, lambda: done.append(None))
    assert len(done) == len(held_out)
    images = [path for path in tmp_path.rglob("*") if path.suffix in (".png", ".jpg")]
    assert len(images) == len(held_out)
    assert {path.parent.relative_to(tmp_path).as_posix() for path in images} == {"images/shapes", "families/badges"}
    for path in images:
        pixels, drawn = decode(path.read_bytes()), render(path.with_suffix(".svg").read_text())
        assert abs(pixels.shape[0] / pixels.shape[1] - drawn.shape[0] / drawn.shape[1]) < 0.05
    spec = held_out[0]
    assert f"{spec.drawing}-{spec.longest}-{spec.grade}" in {path.stem for path in images}
    assert not list(tmp_path.rglob(".*"))


def test_twins_get_names_of_their_own(held_out: list[ImageSpec], corpus: Path, tmp_path: Path) -> None:
    twin = msgspec.structs.replace(held_out[0], seed=held_out[0].seed + 1)
    write_pictures([held_out[0], twin], corpus, tmp_path)
    assert len(list(tmp_path.rglob("*.svg"))) == 2


@pytest.mark.parametrize("ground", ["transparent", "white", "black"])
@pytest.mark.parametrize(("grade", "amount"), [("clean", 0.0), ("shadow", 0.02)])
def test_the_source_draws_what_the_image_shows(ground: Ground, grade: Grade, amount: float) -> None:
    spec = msgspec.structs.replace(CLEAN, ground=ground, longest=96, grade=grade, amount=amount)
    pixels, drawn = decode(draw(spec, DISC)), render(source(spec, DISC), width=96)
    assert np.abs(pixels.astype(int) - drawn).max() <= 1


def test_a_view_box_that_begins_elsewhere_is_covered() -> None:
    moved = msgspec.structs.replace(DISC, svg=DISC.svg.replace('viewBox="0 0 24 12"', 'viewBox="-4 -2 24 12"'))
    drawn = render(source(msgspec.structs.replace(CLEAN, ground="white"), moved), width=96)
    assert (drawn[..., 3] == 255).all()


def test_a_missing_archive_is_told(held_out: list[ImageSpec], tmp_path: Path) -> None:
    with pytest.raises(FamilyMissing):
        write_pictures(held_out, tmp_path / "nowhere", tmp_path)


def test_a_file_that_cannot_be_written_leaves_nothing_half(
    held_out: list[ImageSpec], corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.write_bytes

    def stop_half_way(self: Path, data: bytes) -> int:
        real(self, data[: len(data) // 2])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", stop_half_way)
    with pytest.raises(KeyboardInterrupt):
        write_pictures(held_out, corpus, tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]

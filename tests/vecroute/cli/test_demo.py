"""The demonstration: two images through a daemon of its own, and a page that stands alone."""

import re
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest

from converter import run_plan
from router import VTRACER_DEFAULTS, Plan
from router._plan import Matte, TraceMode
from router.pixels import decode
from tests.daemon.pictures import png
from vecroute.cli import demo
from vecroute.cli._demo_daemon import private_daemon
from vecroute.cli._demo_page import plan_in_short
from vecroute.cli._demo_pictures import (
    CROP_PIXELS,
    Box,
    as_picture,
    cut_out,
    difference,
    draw_region,
    ink,
    worst_region,
)
from vecroute.cli.errors import CommandError
from vecroute.errors import DaemonUnavailable


def wordmark() -> bytes:
    """Return thin anti-aliased strokes on transparent ground, as a PNG."""
    alpha = np.zeros((240, 720), np.uint8)
    for x in range(40, 700, 60):
        cv2.line(alpha, (x, 40), (x + 30, 200), 255, 12, cv2.LINE_AA)
    small = cv2.resize(alpha, (240, 80), interpolation=cv2.INTER_AREA)
    black = np.zeros((80, 240), np.uint8)
    _, data = cv2.imencode(".png", cv2.merge([black, black, black, small]))
    return bytes(data)


def test_page_shows_everything_and_stands_alone(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "wordmark.png").write_bytes(wordmark())
    (tmp_path / "in" / "corner.png").write_bytes(png((64, 64)))
    (tmp_path / "in" / "bad.png").write_bytes(b"bad")
    code = demo.main([str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--models", str(models)])
    said = capsys.readouterr()
    assert code == 1
    assert "bad.png: 3 bytes are not an image" in said.err
    assert re.search(r"│ wordmark.png +│ +\w+ │", said.out)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["corner.png.svg", "index.html", "wordmark.png.svg"]
    page = (tmp_path / "out" / "index.html").read_text()
    assert not re.search(r'(?:src|href)="(?!data:|#)', page), "something is loaded from elsewhere"
    assert "<script" not in page
    assert page.count("<article ") == 2
    assert page.count("<dt>predicted</dt>") == 2
    for word in ("Plain defaults", "vecroute", "quality", "time", "size", "paths", "prefers-color-scheme"):
        assert word in page


def test_all_images_bad(tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(tmp_path / "none.png"), "--out", str(tmp_path / "out"), "--models", str(models)]
    assert demo.main(arguments) == 1
    assert "nothing to show" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_daemon_ends_with_the_block(models: Path) -> None:
    from vecroute import Client

    with private_daemon(models) as socket, Client(socket) as client:
        assert client.status().ready
    assert not socket.exists()
    with Client(socket) as client, pytest.raises(DaemonUnavailable):
        client.status()


def test_daemon_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(CommandError, match="ended with code 1: its log is empty"), private_daemon():
        pass


def test_a_temporary_directory_too_deep_for_sockets_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("deep" * 30)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with pytest.raises(CommandError, match="set TMPDIR to a shorter path"), private_daemon():
        pass


@pytest.mark.parametrize("option", ["--quality-target=3", "--time-budget=nan"])
def test_values_out_of_range_end_with_2(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        demo.main([option])
    assert ended.value.code == 2
    assert "; give " in capsys.readouterr().err


def test_nobody_reads_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    def unread(*_: object) -> int:
        raise BrokenPipeError

    left: list[bool] = []
    monkeypatch.setattr(demo, "_run", unread)
    monkeypatch.setattr(demo, "leave_standard_output", lambda: left.append(True))
    assert demo.main([]) == 141
    assert left == [True]


def test_interrupted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "_run", interrupt)
    assert demo.main([]) == 130
    assert capsys.readouterr().err == "vecroute: stopped\n"


def test_examples_lie_in_the_repository() -> None:
    assert (demo.EXAMPLES / "NOTICE.md").is_file()


def test_worst_region_is_where_most_differs() -> None:
    apart = np.zeros((100, 200), np.float32)
    apart[60:70, 150:160] = 1
    for aspect in (1, 2):
        box = worst_region(apart, aspect=aspect)
        assert box.width == aspect * box.height
        assert cut_out(np.dstack([apart] * 4).astype(np.uint8), box)[..., 0].sum() == 100


@pytest.mark.parametrize("shape", [(1, 1), (8, 300), (300, 8), (24, 24)])
def test_worst_region_fits_any_image(shape: tuple[int, int]) -> None:
    box = worst_region(np.ones(shape, np.float32), aspect=2)
    assert 0 <= box.left <= box.left + box.width <= shape[1]
    assert 0 <= box.top <= box.top + box.height <= shape[0]
    assert box.width >= 1
    assert box.height >= 1


def test_difference_sees_white_on_white() -> None:
    white = np.full((8, 8, 4), 255, np.uint8)
    gone = white.copy()
    gone[..., 3] = 0
    assert difference(gone, white).min() == 1
    assert difference(white, white).max() == 0
    assert as_picture(difference(gone, white))[..., 3].min() == 255
    assert as_picture(difference(white, white))[..., 3].max() == 0


def test_region_is_drawn_from_the_vectors() -> None:
    """The upper left half of the picture is opaque, whatever scale the plan traced it at."""
    pixels = decode(png((40, 40)))
    for plan in (VTRACER_DEFAULTS, Plan(upscale=3)):
        svg = run_plan(pixels, plan).svg
        assert draw_region(svg, Box(2, 2, 16, 8)).shape[:2] == (CROP_PIXELS // 2, CROP_PIXELS)
        assert ink(draw_region(svg, Box(2, 2, 16, 16))) == CROP_PIXELS**2
        assert ink(draw_region(svg, Box(22, 22, 16, 16))) == 0


def test_every_mode_and_matte_has_words() -> None:
    said = {plan_in_short(Plan(mode=mode, matte=matte)) for mode in get_args(TraceMode) for matte in get_args(Matte)}
    assert len(said) == len(get_args(TraceMode)) * len(get_args(Matte))
    assert plan_in_short(Plan(mode="smooth")) == "traced at 1x, smooth edges, alpha cut at one half"


def test_plan_in_short() -> None:
    assert plan_in_short(Plan(upscale=3)) == "traced at 3x, polygons, alpha cut at one half"
    full = Plan(matte="bands", mode="none", palette=8, denoise=2)
    assert plan_in_short(full) == "traced at 1x, pixel edges, soft alpha in layers, 8 colours, denoised (2)"

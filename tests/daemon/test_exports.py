"""Which export serves: the newest that loads, and on any doubt the one that served."""

import os
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from daemon.exports import Exports, Found, choose, fingerprint
from daemon.pool import Pool
from daemon.settings import Settings
from models import Export, Loaded, builtin
from tests.daemon.harness import wait_until
from tests.exports import write_export

BUILTIN = builtin(defaults=None)
DIRECTORY = Path("/models")


def _export(digest: str, day: int, *, degraded: bool = False) -> Export:
    info = type(BUILTIN.info)(name=digest, version="1", digest=digest)
    return Export(info, BUILTIN._roles, created=datetime(2026, 1, day, tzinfo=UTC), degraded=degraded)


@pytest.fixture
async def loader() -> AsyncIterator[Pool]:
    """The loader's thread, told to end before the loop does: it may still be freeing what was swapped out."""
    pool = Pool("loader", 1, 8)
    yield pool
    pool.close()


def _found(export: Export | None, *problems: str, broken: str | None = None) -> Found:
    directory = DIRECTORY / "x" if export else None
    loaded = Loaded(export=export or BUILTIN, directory=directory, problems=problems)
    return Found((), loaded, "; ".join(problems) or broken)


OLD, SERVING, NEW = _export("old", 1), _export("serving", 2), _export("new", 3)
DEGRADED = _export("serving", 2, degraded=True)


@pytest.mark.parametrize(
    ("current", "found", "take", "problem"),
    [
        pytest.param(None, _found(NEW), True, None, id="the first"),
        pytest.param(None, _found(None), True, "no export in /models; put one there", id="nothing at start"),
        pytest.param(None, _found(None, "broken"), True, "broken", id="nothing good at start"),
        pytest.param(SERVING, _found(NEW), True, None, id="a newer one"),
        pytest.param(SERVING, _found(SERVING), False, None, id="the same"),
        pytest.param(DEGRADED, _found(SERVING), True, None, id="the same, whose predictor runs now"),
        pytest.param(SERVING, _found(DEGRADED), False, None, id="the same, whose predictor does not run now"),
        pytest.param(SERVING, _found(SERVING, "broken"), False, "broken", id="the newest is broken"),
        pytest.param(SERVING, _found(NEW, "broken"), True, "broken", id="the newest but one is newer"),
        pytest.param(
            SERVING, _found(OLD, "broken"), False, "broken", id="only an older one is left beside a broken one"
        ),
        pytest.param(SERVING, _found(OLD), True, None, id="it was taken away, an older one is there"),
        pytest.param(SERVING, _found(None), False, "no export in /models; put one there", id="all were taken away"),
        pytest.param(
            SERVING, _found(NEW, broken="junk"), True, "junk", id="a broken one of unknown age does not block"
        ),
        pytest.param(BUILTIN, _found(OLD, "broken"), True, "broken", id="anything is better than the built-in"),
    ],
)
def test_choose(current: Export | None, found: Found, take: bool, problem: str | None) -> None:
    choice = choose(current, found, DIRECTORY)
    assert (choice.take, choice.problem) == (take, problem)


def test_the_fingerprint_sees_each_change(tmp_path: Path) -> None:
    seen = {fingerprint(tmp_path)}

    def changed() -> bool:
        new = fingerprint(tmp_path)
        known = new in seen
        seen.add(new)
        return not known

    (tmp_path / "export").mkdir()
    assert changed()
    (tmp_path / "export" / "model_info.json").write_text("{}")
    assert changed()
    os.utime(tmp_path / "export" / "model_info.json", ns=(1, 1))
    assert changed()
    (tmp_path / "export").rename(tmp_path / "renamed")
    assert changed()
    assert not changed()
    assert fingerprint(tmp_path / "none") == ()


def test_the_fingerprint_sees_what_lies_behind_a_link_to_nowhere(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("/nowhere")
    before = fingerprint(tmp_path)
    (tmp_path / "b").mkdir()
    assert fingerprint(tmp_path) != before


@pytest.mark.anyio
async def test_what_nobody_foresaw_leaves_what_serves_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loader: Pool
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError("no more")

    models = tmp_path / "models"
    write_export(models / "a", forest=False)
    with anyio.fail_after(30):
        broken, exports = (Exports(Settings(models=models), loader) for _ in range(2))
        await exports.load()
        monkeypatch.setattr("daemon.exports.load_newest", fail)
        assert not await exports.load()
        assert exports.current.lane == "onnx"
        assert await broken.load()
    assert (broken.current.lane, broken.problem) == ("base", exports.problem)
    assert exports.problem == "cannot look for exports (MemoryError: no more); see the log and reload"


@pytest.mark.anyio
async def test_who_asks_while_a_look_is_under_way_is_answered_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loader: Pool
) -> None:
    looks, gate = list[Path](), threading.Event()

    def look(models: Path, **_: object) -> Loaded:
        looks.append(models)
        gate.wait()
        return Loaded(export=_export(str(len(looks)), len(looks)), directory=models)

    monkeypatch.setattr("daemon.exports.load_newest", look)
    exports, taken = Exports(Settings(models=tmp_path), loader), list[bool]()

    async def load() -> None:
        taken.append(await exports.load())

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(load)
            await wait_until(lambda: bool(looks))
            for _ in range(20):
                tasks.start_soon(load)
            await anyio.wait_all_tasks_blocked()
            gate.set()
    assert (len(looks), taken, exports.current.info.digest) == (2, [True] * 21, "2")


@pytest.mark.anyio
async def test_a_swap_is_seen_at_once_and_a_failure_leaves_the_old_one(tmp_path: Path, loader: Pool) -> None:
    models = tmp_path / "models"
    write_export(models / "a", forest=False, version="1", created="2026-01-01T00:00:00Z")
    swaps: list[tuple[str, bool]] = []
    exports = Exports(
        Settings(models=models),
        loader,
        lambda export: swaps.append((export.info.version, export is exports.current)),
    )
    with anyio.fail_after(30):
        assert await exports.load()
        assert (exports.current.info.version, exports.problem) == ("1", None)
        write_export(models / "b", forest=False, version="2", created="2026-01-02T00:00:00Z", bias=0.1)
        assert await exports.load()
        assert exports.current.info.version == "2"
        (models / "b" / "quality_predictor.onnx").write_bytes(b"damaged")
        assert not await exports.load()
        assert exports.current.info.version == "2"
        assert "quality_predictor.onnx" in str(exports.problem)
        assert await exports.wait_fingerprint() == exports.files
    assert swaps == [("1", True), ("2", True)]

"""The file is made whole or not at all; what is no file of ours is replaced; a resize takes a new file."""

import errno
import mmap
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from daemon.errors import CacheUnusable
from daemon.shared import SharedCacheWriter
from tests.daemon.predictions import EXPORT, POLICY, key_of, prediction
from vecroute import SharedCache
from vecroute._context import SharedContext
from vecroute._layout import GEOMETRY_BYTES, STATUS, SUPERSEDED, WORD, pack_geometry, unpack_geometry

TTL = 3600.0
SEED = 66  # at most six of the forty images meet in one of eight sets
CONTEXT = SharedContext(export=EXPORT, policy=POLICY)
KEY = key_of(0)
ON_A_SMALL_TMPFS = """
mount -t tmpfs -o size=512k none {directory} || exit 77
exec {python} -c '
from pathlib import Path
from daemon.errors import CacheUnusable
from daemon.shared import SharedCacheWriter
path = Path("{directory}/cache")
try:
    SharedCacheWriter.open(path, 10_000, 3600)
except CacheUnusable as error:
    print(error)
print(sorted(file.name for file in path.parent.iterdir()))
SharedCacheWriter.open(path, 64, 3600).close()
'
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def writer(path: Path) -> Iterator[SharedCacheWriter]:
    with _open(path) as writer:
        writer.use(CONTEXT, "onnx")
        for number in range(40):
            writer.publish(key_of(number), prediction(number))
        yield writer


def _open(path: Path, entries: int = 64) -> SharedCacheWriter:
    return SharedCacheWriter.open(path, entries, TTL, random=_same_seed)


def _same_seed(size: int) -> bytes:
    """Return the same seed each time, one with which no set overflows, and as many instances as are asked for."""
    return bytes(range(SEED, SEED + 8)) if size == 8 else os.urandom(size)


def _kept(writer: SharedCacheWriter) -> set[int]:
    return {number for number in range(40) if writer.get(key_of(number)) == prediction(number)}


def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def _extend(path: Path) -> None:
    os.truncate(path, path.stat().st_size + 1)


def _change(offset: int) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[offset] ^= 1
        path.write_bytes(data)

    return change


def _from_another_boot(path: Path) -> None:
    data = path.read_bytes()
    geometry = msgspec.structs.replace(unpack_geometry(data[:GEOMETRY_BYTES], len(data)), boot=bytes(16))
    path.write_bytes(pack_geometry(geometry) + data[GEOMETRY_BYTES:])


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(_link, id="a link"),
        pytest.param(_fifo, id="a pipe"),
        pytest.param(_truncate, id="cut short"),
        pytest.param(_extend, id="made longer"),
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: path.chmod(0o620), id="writable for the group"),
        pytest.param(_change(0), id="of another kind"),
        pytest.param(_change(8), id="of another version"),
        pytest.param(_change(12), id="of another byte order"),
        pytest.param(_change(40), id="with a damaged header"),
        pytest.param(_from_another_boot, id="from another boot"),
    ],
)
def test_what_is_no_file_of_ours_is_replaced(
    path: Path, writer: SharedCacheWriter, harm: Callable[[Path], object]
) -> None:
    writer.close()
    before = writer.geometry.instance
    harm(path)
    with _open(path) as again:
        assert again.fingerprint == 0
        assert again.geometry.instance != before
        assert not path.is_symlink()
        again.use(CONTEXT, "onnx")
        again.publish(KEY, prediction(0))
        with SharedCache.open(path) as reader:
            assert reader.get(KEY) == prediction(0)
            assert reader.get(key_of(1)) is None


def test_another_users_file_is_replaced(path: Path, writer: SharedCacheWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    writer.close()
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    with _open(path) as again:
        assert again.fingerprint == 0


def test_what_a_killed_writer_was_making_does_not_stand_in_the_way(path: Path) -> None:
    precious = path.with_name("precious")
    precious.write_text("mine")
    path.with_name("cache.new").symlink_to(precious)
    _open(path).close()
    assert precious.read_text() == "mine"
    assert sorted(file.name for file in path.parent.iterdir()) == ["cache", "cache.lock", "precious"]


@pytest.mark.parametrize("name", ["cache", "cache.new", "cache.lock"])
def test_a_directory_in_the_way_is_a_typed_error(path: Path, name: str) -> None:
    path.with_name(name).mkdir()
    with pytest.raises(CacheUnusable, match=f"no shared cache at {path}"):
        _open(path)
    path.with_name(name).rmdir()
    _open(path).close()


def test_a_link_is_no_lock(path: Path) -> None:
    path.with_name("cache.lock").symlink_to("elsewhere")
    with pytest.raises(CacheUnusable, match="lock file"):
        _open(path)


def test_without_a_directory_there_is_no_cache(path: Path) -> None:
    with pytest.raises(CacheUnusable, match="No such file"):
        _open(path / "deeper" / "cache")


def test_all_its_memory_is_there_from_the_start(path: Path, writer: SharedCacheWriter) -> None:
    assert path.stat().st_blocks * 512 >= path.stat().st_size == writer.geometry.file_bytes


def _no_room(number: int, offset: int, length: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_no_room_is_a_typed_error_and_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", _no_room)
        with pytest.raises(CacheUnusable, match="No space left on device"):
            _open(path)
    assert [file.name for file in path.parent.iterdir()] == ["cache.lock"]
    _open(path).close()


def test_a_full_tmpfs_is_a_typed_error_and_no_crash(tmp_path: Path) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("util-linux is not installed")
    script = ON_A_SMALL_TMPFS.format(directory=tmp_path, python=sys.executable)
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode in (1, 77) and "Traceback" not in done.stderr:
        pytest.skip(f"no mounts here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    message, files = done.stdout.splitlines()
    assert "a file of 7.1 MB cannot be made (No space left on device)" in message
    assert files == "['cache.lock']"


@pytest.mark.parametrize("entries", [128, 1000])
def test_growing_loses_nothing(path: Path, writer: SharedCacheWriter, entries: int) -> None:
    kept = _kept(writer)
    writer.resize(entries)
    assert writer.geometry.entries >= entries
    assert _kept(writer) == kept
    assert writer.statistics().entries == len(kept)
    writer.close()
    with _open(path, entries) as again:
        assert _kept(again) == kept


def test_shrinking_keeps_what_was_used_last(writer: SharedCacheWriter) -> None:
    for number in (3, 1, 4):
        assert writer.get(key_of(number)) is not None
    writer.resize(8)
    kept = _kept(writer)
    assert {1, 3, 4} <= kept
    assert len(kept) == 8


def test_another_size_at_the_start_is_a_resize(path: Path, writer: SharedCacheWriter) -> None:
    kept = _kept(writer)
    writer.close()
    with _open(path, 512) as again:
        assert again.geometry.entries == 512
        assert _kept(again) == kept


def test_readers_of_the_old_file_are_told_and_go_to_the_new_one(path: Path, writer: SharedCacheWriter) -> None:
    with path.open("rb") as file:
        old = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    with SharedCache.open(path) as reader:
        assert reader.get(KEY) == prediction(0)
        writer.resize(128)
        assert int.from_bytes(old[STATUS * WORD : (STATUS + 1) * WORD], "little") == SUPERSEDED
        writer.publish(KEY, prediction(0, turn=1))
        assert reader.get(KEY) == prediction(0, turn=1)
        assert reader.statistics().entries == 128


def test_without_room_for_the_new_file_the_old_one_serves(
    path: Path, writer: SharedCacheWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, before = _kept(writer), path.stat().st_ino
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", _no_room)
        with pytest.raises(CacheUnusable):
            writer.resize(1000)
    assert path.stat().st_ino == before
    assert _kept(writer) == kept
    with SharedCache.open(path) as reader:
        assert reader.get(key_of(min(kept))) is not None


def test_a_new_file_that_cannot_take_the_place_leaves_the_old_one_alive(path: Path, writer: SharedCacheWriter) -> None:
    kept = _kept(writer)
    with SharedCache.open(path) as reader:
        path.rename(path.with_name("elsewhere"))
        path.mkdir()
        with pytest.raises(CacheUnusable, match="cannot be replaced"):
            writer.resize(1000)
        assert _kept(writer) == kept
        assert reader.get(key_of(min(kept))) == prediction(min(kept))
        assert not path.with_name("cache.new").exists()
        path.rmdir()
        writer.resize(1000)
        assert _kept(writer) == kept

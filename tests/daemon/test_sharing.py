"""The shared cache of a real daemon: over restarts and kills, for clients that read it, and where it cannot be made."""

import array
import mmap
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from router import Plan
from tests.daemon.harness import PATIENCE, Daemon, Raw, StartDaemon, launch, stop, wait_ready
from tests.daemon.pictures import png
from tests.exports import write_export
from vecroute import Client, SharedCache, image_hash
from vecroute._hints import hints_bytes
from vecroute._interface import INTERFACE
from vecroute._paths import cache_path
from vecroute._varlink import encode_call
from vecroute._wire import CacheReply
from vecroute.errors import UnknownImage

KEY = image_hash(png()).hex()
PLAN = Plan(upscale=7)
# Hints are looked at often, so that tests need not wait.
EAGER = "import daemon.keeper; daemon.keeper.SCAN_SECONDS = 0.01"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models")
    write_export(directory / "day-1", forest=False, regressor=False, version="1", created="2026-01-01T00:00:00Z")
    return directory


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[Daemon]:
    directory = tmp_path_factory.mktemp("daemon")
    one = launch(directory, directory / "router", {"models": models, "watch": "false"}, EAGER)
    wait_ready(one)
    yield one
    stop(one)


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline


def _knows(daemon: Daemon, key: str = KEY) -> bool:
    """Tell whether a hash alone is answered."""
    with daemon.client() as client:
        try:
            return client.route(hash=key).cache == "hit"
        except UnknownImage:
            return False


def _cache_call(client: Raw) -> tuple[CacheReply, list[int]]:
    """Call `Cache` and return the reply with the descriptors that came."""
    client.send(encode_call(f"{INTERFACE}.Cache"))
    data, ancillary, _, _ = client.socket.recvmsg(65536, socket.CMSG_SPACE(16), socket.MSG_CMSG_CLOEXEC)
    numbers = array.array("i")
    for _, _, rights in ancillary:
        numbers.frombytes(rights)
    reply = msgspec.json.decode(data[:-1])
    return msgspec.convert(reply["parameters"], CacheReply), list(numbers)


def test_entries_outlive_a_restart_a_kill_and_even_the_file(start: StartDaemon, models: Path) -> None:
    settings = {"models": models, "socket_mode": "0660"}
    first = start(**settings)
    file = cache_path(first.path)
    with first.client() as client:
        quality = client.predict(png(), method="performance", plan=PLAN).quality
        seconds = client.route(png()).prediction_seconds
    assert first.terminate() == 0
    assert file.stat().st_mode & 0o777 == 0o640

    second = start(**settings)
    with second.client() as client:
        again = client.route(hash=KEY)
        assert (again.cache, again.prediction_seconds) == ("hit", seconds)
        assert client.predict(hash=KEY, method="performance", plan=PLAN).quality == quality
        other = client.route(png((9, 9)))
    second.process.kill()
    second.process.wait()

    third = start(**settings)
    with third.client() as client:
        assert client.route(hash=KEY).prediction_seconds == seconds
        assert client.route(hash=image_hash(png((9, 9))).hex()).prediction_seconds == other.prediction_seconds
        assert client.status().cache.entries == 3
    assert third.terminate() == 0

    file.unlink()
    fourth = start(**settings)
    _wait(lambda: _knows(fourth))  # predicted anew from what the first one had kept of the image


def test_a_rollback_makes_the_old_entries_valid_again(start: StartDaemon, tmp_path: Path) -> None:
    models = tmp_path / "models"
    write_export(models / "old", forest=False, regressor=False, version="1", created="2026-01-01T00:00:00Z")
    daemon = start(models=models, watch="false")
    with daemon.client() as client:
        first = client.route(png())
        write_export(models / "new", forest=False, regressor=False, version="2", created="2026-01-02T00:00:00Z")
        client.reload()
        with SharedCache.open(cache_path(daemon.path)) as reader:
            found = reader.get(bytes.fromhex(KEY))
        assert found is None or (found.export is not None and found.export.version == "2")
        shutil.rmtree(models / "new")
        client.reload()
        again = client.route(hash=KEY)
    assert (again.cache, again.export) == ("hit", first.export)
    assert again.prediction_seconds == first.prediction_seconds


def test_a_flush_makes_everything_unknown_also_for_readers(daemon: Daemon) -> None:
    with daemon.client() as client, SharedCache.open(cache_path(daemon.path)) as reader:
        client.route(png())
        assert reader.get(bytes.fromhex(KEY)) is not None
        assert client.flush_cache() >= 1
        assert reader.get(bytes.fromhex(KEY)) is None
        with pytest.raises(UnknownImage):
            client.route(hash=KEY)
        assert client.route(png()).cache == "miss"


def test_a_client_decides_as_the_daemon_does_and_the_daemon_learns_of_it(daemon: Daemon) -> None:
    with daemon.client() as client, daemon.client(shared_cache=True) as local:
        theirs, ours = client.route(png()), local.route(png())
        same = {"cache": "hit", "decided_at": 0.0, "system_load": 0.0, "resource_availability": 0.0}
        assert ours.cache == "local"
        assert msgspec.structs.replace(ours, **same) == msgspec.structs.replace(theirs, **same)
        before = client.status().cache.local_hits or 0
        _wait(lambda: bool(local.route(png())) and (client.status().cache.local_hits or 0) > before)


def test_the_cache_call_tells_where_and_hands_out_sealed_hints(daemon: Daemon) -> None:
    with daemon.connect() as client, daemon.connect() as other:
        reply, (number,) = _cache_call(client)
        again, (same,) = _cache_call(client)
        another, (third,) = _cache_call(other)
        assert (reply.path, reply.hints_file_descriptor) == (str(cache_path(daemon.path)), 0)
        assert reply.reader == again.reader != another.reader
        assert os.fstat(number).st_size == hints_bytes(reply.entries)
        for size in (0, 1 << 30):
            with pytest.raises(PermissionError):
                os.ftruncate(number, size)
        for one in (number, same, third):
            os.close(one)


def test_hostile_hints_only_make_the_count_wrong(daemon: Daemon) -> None:
    with daemon.connect() as raw:
        reply, (number,) = _cache_call(raw)
        shared = mmap.mmap(number, hints_bytes(reply.entries))
        os.close(number)
        shared[:] = b"\xff" * len(shared)
        _wait(lambda: shared[0] == 0)  # the daemon has looked
    with daemon.client() as client:
        client.route(png())
        status = client.status()
    assert status.ready
    assert status.cache.problem is None
    assert _knows(daemon)


def test_no_descriptor_stays_open_however_the_call_ends(daemon: Daemon) -> None:
    def open_now() -> int:
        return len(list(Path(f"/proc/{daemon.process.pid}/fd").iterdir()))

    with daemon.connect() as watching:
        watching.call("Status")
        before = open_now()
        for _ in range(20):
            with daemon.connect() as client:
                client.send(encode_call(f"{INTERFACE}.Cache", oneway=True) + encode_call(f"{INTERFACE}.Cache"))
        _wait(lambda: open_now() == before)


def test_any_plan_is_known_by_hash_once_it_was_asked_for(daemon: Daemon) -> None:
    data = png((50, 40))
    with daemon.client() as client:
        first = client.predict(data, method="performance", plan=PLAN)
        before = client.status().cache.hits
        assert client.predict(hash=image_hash(data).hex(), method="performance", plan=PLAN) == first
        assert client.predict(data, method="performance", plan=PLAN) == first
        assert client.status().cache.hits == before + 2
        with pytest.raises(UnknownImage):
            client.predict(hash=image_hash(data).hex(), method="regression", plan=PLAN)
        with pytest.raises(UnknownImage):  # a plan's prediction is none of the image
            client.route(hash=image_hash(data).hex())


NO_ROOM = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))"


def test_without_room_for_the_file_requests_are_answered_all_the_same(start: StartDaemon, models: Path) -> None:
    daemon = start(models=models, before=NO_ROOM)
    with daemon.client() as client:
        assert [client.route(png()).cache for _ in range(2)] == ["miss", "hit"]
        cache = client.status().cache
    assert (cache.path, cache.entries) == (None, 1)
    assert "cannot be made (File too large)" in str(cache.problem)
    assert "only the daemon's own cache serves" in daemon.log.read_text()
    with daemon.connect() as raw:
        assert raw.call("Cache").error == f"{INTERFACE}.NoSharedCache"
    assert daemon.terminate() == 0


@pytest.fixture
def small_tmpfs(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for a socket, not for a cache."""
    directory = tmp_path / "tmpfs"
    directory.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "vecroute-test", directory], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root may mount; the test before this one limits the size of files instead")
    yield directory
    subprocess.run(["umount", "--lazy", directory], check=True)


def test_on_a_full_tmpfs_the_daemons_own_cache_serves(start: StartDaemon, models: Path, small_tmpfs: Path) -> None:
    daemon = start(models=models, socket=small_tmpfs / "router")
    with Client(small_tmpfs / "router", timeout=PATIENCE) as client:
        assert [client.route(png()).cache for _ in range(2)] == ["miss", "hit"]
        assert "cannot be made (No space left on device)" in str(client.status().cache.problem)
    assert daemon.terminate() == 0


def test_where_memory_is_short_the_daemon_gives_half_back(start: StartDaemon, models: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pressure")
    environment = f"import os; os.environ['MEMORY_PRESSURE_WATCH'] = {str(tmp_path / 'pressure')!r}"
    daemon = start(models=models, cache_entries=4096, before=environment)
    with daemon.client() as client, SharedCache.open(cache_path(daemon.path)) as reader:
        client.route(png())
        assert reader.get(bytes.fromhex(KEY)) is not None
        (tmp_path / "pressure").write_bytes(b"!")
        _wait(lambda: client.status().cache.capacity == 2048)
        assert client.route(hash=KEY).cache == "hit"
        _wait(lambda: reader.get(bytes.fromhex(KEY)) is not None)  # it has opened the new file
        assert reader.statistics().entries == 2048

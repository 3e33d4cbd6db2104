"""The benchmark of the shared cache compares like with like, and says which peers it had to leave out."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import _peers, shared_cache
from benchmarks._filled import EXPORT, Filled, filled, memory_per_entry, prediction
from benchmarks._readers import read_at_once, read_in_c
from vecroute._entry import pack_entry, unpack_entry


@pytest.fixture
def caches(tmp_path: Path) -> Iterator[dict[int, Filled]]:
    with filled(tmp_path, (64, 256)) as made:
        yield made


def test_what_is_measured_survives_a_slot_unchanged() -> None:
    said = prediction(3)
    slot = pack_entry(said, bytes(16), fingerprint=1, sequence=2, expiry=0)
    assert unpack_entry(slot, EXPORT, "") == said
    assert len(said.candidates) == 8


def test_the_keys_of_a_filled_cache_are_in_it(caches: dict[int, Filled]) -> None:
    for size, cache in caches.items():
        assert size // 2 < len(cache.keys) <= size * 3 // 4
        assert all(cache.reader.get(key) is not None for key in cache.keys)
        assert 700 < memory_per_entry(cache) < 2000


def test_works_take_turns_on_every_key() -> None:
    asked: list[tuple[str, bytes]] = []
    beats: list[int] = []
    names = [b"x", b"y"]

    def work(name: str) -> shared_cache.Work:
        def ask(key: bytes) -> bool:
            asked.append((name, key))
            return True

        return ask

    seconds = shared_cache.in_turns({name: work(name) for name in "ab"}, names, 3, lambda: beats.append(len(asked)))
    assert set(seconds) == {"a", "b"}
    # The first key is asked once more before the clock runs.
    assert sorted(asked) == sorted([(name, key) for name in "ab" for key in (b"x", *names)] * 3)
    assert beats == [0, 3, 6, 9, 12, 15]


def test_what_finds_nothing_is_not_measured() -> None:
    with pytest.raises(AssertionError, match="a finds nothing"):
        shared_cache.in_turns({"a": lambda _: None}, [b"x"], 1, lambda: None)


def test_absent_peers_are_told_and_left_out(
    caches: dict[int, Filled], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = _peers._module
    monkeypatch.setattr(_peers, "_module", lambda name: module(f"absent_{name}"))
    figures, absent = shared_cache.beside_peers(caches[64], tmp_path, 1)
    assert [line.partition(" ")[0] for line in absent] == ["LMDB", "Redis", "memcached"]
    assert all("[bench]" in line for line in absent)
    assert {"get_ours", "look_ours", "decode"} <= set(figures)


def test_a_server_that_is_not_installed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(_peers.Absent, match="no redis-server"), _peers._server(["redis-server"], tmp_path / "s"):
        raise AssertionError("it cannot have started")


def test_readers_in_other_processes(caches: dict[int, Filled], tmp_path: Path) -> None:
    cache = caches[64]
    names = tmp_path / "keys"
    names.write_bytes(b"".join(cache.keys))
    read = read_at_once(cache.path, names, 2, 0.05, cache.beat)
    assert read.seconds > 0
    assert read.per_second > 0
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    in_c = read_in_c(tmp_path, cache.path, names, 3)
    assert in_c is not None
    assert 0 < in_c < 1


def test_every_figure_has_its_line_and_its_goal(caches: dict[int, Filled]) -> None:
    figures = shared_cache.deciding(caches[64], 1)  # before others take the places of its keys
    figures |= shared_cache.by_size(caches, 2) | shared_cache.swapping(caches[256], 2)
    assert {"get_64", "get_256", "publish_64", "publish_256", "swap", "decide", "client"} == set(figures)
    shown = shared_cache.table({"get_ours": 2e-6, "get_c": 2.5e-7, "swap": 5e-6, "per_second_1_readers": 123456.0})
    assert [line.split() for line in shown.splitlines()] == [
        ["get", "+", "decode", "2", "us"],
        ["get,", "C", "reader", "250", "ns", "<=", "300"],
        ["gets/s", "of", "1", "readers", "123,456"],
        ["swap:", "all", "entries", "invalid", "5", "us", "<", "10"],
    ]

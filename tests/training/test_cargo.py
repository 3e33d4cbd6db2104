"""Folders travel as cargo: unpacked once, whole, into a folder that is ours."""

import os
from pathlib import Path

import pytest

from training._cargo import Cargo, pack, unpack
from training.errors import CargoRefused


def same(data: bytes) -> bytes:
    return data


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the temporary directory of a machine."""
    home = tmp_path / "machine"
    home.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(home))
    return home


@pytest.fixture
def cargo(tmp_path: Path) -> Cargo[bytes]:
    for name in ("a.tgz", "b.tgz"):
        (tmp_path / name).write_bytes(name.encode() * 1000)
    return pack(tmp_path.glob("*.tgz"), same)


def test_what_is_unpacked_is_what_was_packed(cargo: Cargo[bytes], machine: Path) -> None:
    folder = unpack(cargo, same)
    assert folder.parent == machine
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {n: n.encode() * 1000 for n in ("a.tgz", "b.tgz")}
    assert list(machine.iterdir()) == [folder]


def test_it_is_unpacked_once(cargo: Cargo[bytes], machine: Path) -> None:
    def never(_: bytes) -> bytes:
        raise AssertionError

    assert unpack(cargo, same) == unpack(cargo, never)


def test_other_content_goes_to_another_folder(cargo: Cargo[bytes], machine: Path, tmp_path: Path) -> None:
    (tmp_path / "a.tgz").write_bytes(b"another version")
    assert unpack(pack(tmp_path.glob("*.tgz"), same), same) != unpack(cargo, same)


def test_two_workers_may_unpack_at_once(cargo: Cargo[bytes], machine: Path) -> None:
    """The one that comes second throws its copy away."""
    found: list[Path] = []

    def slow(data: bytes) -> bytes:
        if not found:
            found.append(unpack(cargo, same))
        return data

    assert unpack(cargo, slow) == found[0]
    assert list(machine.iterdir()) == found


def test_a_machine_without_room_says_so(cargo: Cargo[bytes], machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.rename", full)
    with pytest.raises(OSError, match="No space left"):
        unpack(cargo, same)
    assert list(machine.iterdir()) == []


def test_a_folder_laid_there_by_somebody_else_is_refused(
    cargo: Cargo[bytes], machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = unpack(cargo, same)
    other = machine / "elsewhere"
    folder.rename(other)
    folder.symlink_to(other)
    with pytest.raises(CargoRefused, match="belongs to another user"):
        unpack(cargo, same)
    folder.unlink()
    other.rename(folder)
    user = os.getuid() + 1
    monkeypatch.setattr("os.getuid", lambda: user)
    folder.rename(machine / f"vecroute-{user}-{cargo.digest}")
    with pytest.raises(CargoRefused):
        unpack(cargo, same)

"""Other places for the same entries, each as fast as its usual Python client makes it: LMDB, Redis, memcached.

They are extras of the benchmarks only; one that is not installed is left out, and that is said.
"""

import contextlib
import importlib
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType

Get = Callable[[bytes], bytes | None]

PATIENCE = 30.0
MAP_BYTES = 256 * 2**20


class Absent(Exception):
    """A peer is not installed."""


@contextlib.contextmanager
def lmdb_peer(directory: Path, entries: Mapping[bytes, bytes]) -> Iterator[dict[str, Get]]:
    """Keep the entries in LMDB: with a transaction for each get, which sees what is new, and in one that is held."""
    environment = _module("lmdb").open(str(directory / "lmdb"), map_size=MAP_BYTES, sync=False, metasync=False)
    with contextlib.closing(environment):
        with environment.begin(write=True) as writing:
            for key, entry in entries.items():
                writing.put(key, entry)
        begin = environment.begin

        def get(key: bytes) -> bytes | None:
            with begin() as transaction:
                found: bytes | None = transaction.get(key)
                return found

        with begin() as held:
            yield {"LMDB": get, "LMDB, one snapshot": held.get}


@contextlib.contextmanager
def redis_peer(directory: Path, entries: Mapping[bytes, bytes]) -> Iterator[dict[str, Get]]:
    """Keep the entries in a Redis of our own, asked over a Unix socket."""
    redis, path = _module("redis"), directory / "redis"
    _module("hiredis")
    command = ["redis-server", "--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no"]
    with _server([*command, "--dir", str(directory)], path):
        client = redis.Redis(unix_socket_path=str(path))
        for key, entry in entries.items():
            client.set(key, entry)
        yield {"Redis": client.get}
        client.close()


@contextlib.contextmanager
def memcached_peer(directory: Path, entries: Mapping[bytes, bytes]) -> Iterator[dict[str, Get]]:
    """Keep the entries in a memcached of our own, asked over a Unix socket; its keys must be text."""
    client_module, path = _module("pymemcache"), directory / "memcached"
    with _server(["memcached", "-s", str(path), "-m", "256", "-t", "1", "-u", "root"], path):
        client = client_module.Client(f"unix:{path}")
        names = {key: key.hex() for key in entries}
        for key, entry in entries.items():
            client.set(names[key], entry)
        yield {"memcached": lambda key: client.get(names[key])}
        client.close()


PEERS = {"LMDB": lmdb_peer, "Redis": redis_peer, "memcached": memcached_peer}


@contextlib.contextmanager
def peers(directory: Path, entries: Mapping[bytes, bytes]) -> Iterator[tuple[dict[str, Get], list[str]]]:
    """Give a get function for each peer that is installed, and a line for each that is not."""
    with contextlib.ExitStack() as stack:
        gets: dict[str, Get] = {}
        absent: list[str] = []
        for name, peer in PEERS.items():
            try:
                gets |= stack.enter_context(peer(directory, entries))
            except Absent as exc:
                absent.append(f"{name} is left out: {exc}")
        yield gets, absent


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        raise Absent(
            f"no module {exc.name}; run `make bench`, or: pip install -c constraints.txt -e '.[bench]'"
        ) from exc


@contextlib.contextmanager
def _server(command: list[str], path: Path) -> Iterator[None]:
    """Run a server until the block ends; its socket is there when the block begins."""
    if shutil.which(command[0]) is None:
        raise Absent(f"no {command[0]} on the PATH; install Debian's package of that name")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE
        while not path.is_socket():
            if process.poll() is not None or time.monotonic() > deadline:
                raise Absent(f"{command[0]} did not start")
            time.sleep(0.01)
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)

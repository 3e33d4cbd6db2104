"""A C program reads what a real daemon wrote, and it is what the Python reader reads and what the daemon answers."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.daemon.harness import Daemon, StartDaemon
from tests.daemon.pictures import png
from tests.exports import write_export
from tests.vecroute.c_reader import LOOKUP, compile_c, needs_compiler
from vecroute import SharedCache, image_hash
from vecroute._paths import cache_path

KEY = image_hash(png())


def run(program: Path, daemon: Daemon, *arguments: str) -> tuple[int, Any]:
    command = (str(program), str(cache_path(daemon.path)), *arguments)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    return done.returncode, json.loads(done.stdout)


@needs_compiler
def test_c_reads_what_a_daemon_wrote(start: StartDaemon, tmp_path: Path) -> None:
    write_export(tmp_path / "models" / "day-1", forest=True, regressor=False, version="1")
    program = compile_c(LOOKUP, tmp_path / "lookup")
    daemon = start(models=tmp_path / "models", watch="false")
    assert run(program, daemon, KEY.hex()) == (1, {"error": "not in the cache"})
    with daemon.client() as client:
        decision = client.route(png())
    code, found = run(program, daemon, KEY.hex())
    assert code == 0
    with SharedCache.open(cache_path(daemon.path)) as cache:
        said = cache.get(KEY)
    assert said is not None
    assert [one["method"] for one in found["candidates"]] == [one.method for one in said.candidates]
    assert [one["plan"]["upscale"] for one in found["candidates"]] == [one.plan.upscale for one in said.candidates]
    assert decision.estimated_quality in [one.quality for one in said.candidates]
    for shown, one in zip(found["candidates"], said.candidates, strict=True):
        assert f"{shown['quality']:.9g}" == f"{one.quality:.9g}"
        assert f"{shown['svg_bytes_high']:.9g}" == f"{one.svg_bytes_high:.9g}"
    assert set(found["base"]) == set(said.base)
    assert found["context"]["export"]["digest"] == (said.export and said.export.digest)
    assert run(program, daemon)[1]["state"] == "alive"
    daemon.terminate()

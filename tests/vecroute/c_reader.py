"""The C reader, compiled as strictly as the compiler can."""

import shutil
import subprocess
from pathlib import Path

import pytest

import vecroute

HEADER = Path(vecroute.__file__).parent / "c" / "vecroute_cache.h"
LOOKUP = HEADER.with_name("lookup.c")
RACE = Path(__file__).with_name("race.c")
COMPILER = shutil.which("gcc") or shutil.which("cc")
STRICT = ("-std=c11", "-O2", "-Werror", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wvla")

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler here: install gcc to test the C reader")


def compile_c(source: Path, program: Path, *flags: str) -> Path:
    """Return the program made of a source; a warning is an error."""
    assert COMPILER is not None
    command = (COMPILER, *STRICT, *flags, f"-I{HEADER.parent}", "-o", str(program), str(source))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program

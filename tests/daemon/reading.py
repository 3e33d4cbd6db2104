"""A program that reads the shared cache while somebody writes it: `python -m tests.daemon.reading FILE HITS SEED`.

It ends when it has had so many hits, or with a traceback at the first value that nobody can have published.
"""

import sys
from pathlib import Path
from random import Random
from typing import Final

from tests.daemon.dying import turn_of
from tests.daemon.predictions import EXPORT, OTHER, key_of, prediction
from vecroute import SharedCache

IMAGES: Final = 200


def main(path: Path, hits: int, seed: int) -> None:
    """Read images at random; every number of a prediction must be of that image, and all of one turn."""
    random = Random(seed)
    keys = [key_of(number) for number in range(IMAGES)]
    with SharedCache.open(path) as reader:
        while hits:
            number = random.randrange(IMAGES)
            got = reader.get(keys[number])
            if got is None:
                continue
            hits -= 1
            export = EXPORT if got.export == EXPORT else OTHER
            assert got == prediction(number, turn_of(got.prediction_seconds), export), f"a wrong value: {got}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))

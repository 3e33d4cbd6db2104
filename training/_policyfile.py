"""A trained policy on disk: how to ask it, its ONNX file and golden states; the step that trained it left them here."""

from pathlib import Path

import msgspec

from models._manifest import POLICY, POLICY_GOLDEN, PolicySpec
from training.errors import PolicyDamaged

ONNX, GOLDEN, SPEC = "policy.onnx", "policy_golden.npz", "policy.json"
# Files of an export, and the roles they play there.
POLICY_FILES = {ONNX: POLICY, GOLDEN: POLICY_GOLDEN}
LARGEST = 150_000  # bytes of the ONNX file: it travels to the workers with every refinement


class TrainedPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A policy ready to be written: how to ask it, its ONNX file, and the archive of its golden states."""

    spec: PolicySpec
    onnx: bytes
    golden: bytes


def write_policy(policy: TrainedPolicy, folder: Path) -> None:
    """Write a policy into a folder of its own, what says how to ask it last."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SPEC).unlink(missing_ok=True)
    write_policy_files(policy, folder)
    building = folder / f".{SPEC}.part"
    building.write_bytes(msgspec.json.encode(policy.spec))
    building.replace(folder / SPEC)


def write_policy_files(policy: TrainedPolicy, folder: Path) -> None:
    """Write the files that an export holds."""
    (folder / ONNX).write_bytes(policy.onnx)
    (folder / GOLDEN).write_bytes(policy.golden)


def read_policy(folder: Path) -> TrainedPolicy | None:
    """Return the policy that a folder holds, None where training left none.

    Raises:
        PolicyDamaged: what says how to ask it cannot be read.
    """
    try:
        spec = msgspec.json.decode((folder / SPEC).read_bytes(), type=PolicySpec)
    except FileNotFoundError:
        return None
    except ValueError as exc:
        raise PolicyDamaged(folder / SPEC, str(exc)) from exc
    return TrainedPolicy(spec=spec, onnx=(folder / ONNX).read_bytes(), golden=(folder / GOLDEN).read_bytes())

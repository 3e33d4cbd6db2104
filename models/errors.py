"""What can go wrong with an export or a prediction; each error says what to do next."""

from pathlib import Path


class ModelsError(Exception):
    """Root of this package's errors."""


class ExportError(ModelsError):
    """An export cannot serve; `directory` is where it lies and `reason` the one line for people."""

    def __init__(self, directory: Path, reason: str) -> None:
        super().__init__(f"{directory}: {reason}")
        self.directory, self.reason = directory, reason


class ManifestMissing(ExportError):
    """There is no `model_info.json`, or it cannot be read."""

    def __init__(self, directory: Path, why: str) -> None:
        super().__init__(directory, f"model_info.json cannot be read ({why}); an export needs one")


class ManifestInvalid(ExportError):
    """`model_info.json` is not what this version understands, or contradicts itself or the files."""

    def __init__(self, directory: Path, why: str) -> None:
        super().__init__(directory, f"model_info.json: {why}; export again")


class UnknownFormat(ManifestInvalid):
    """The manifest's format number is not one of ours."""

    def __init__(self, directory: Path, found: object, known: int) -> None:
        super().__init__(directory, f"format {found!r} is unknown, this version reads format {known}")


class UnknownFeature(ManifestInvalid):
    """The manifest names a feature that the router does not measure."""

    def __init__(self, directory: Path, name: str, where: str) -> None:
        super().__init__(directory, f"{where} names the feature {name!r}, which this version does not measure")


class FileMissing(ExportError):
    """A file that the manifest lists is not there."""

    def __init__(self, directory: Path, name: str, why: str) -> None:
        super().__init__(directory, f"{name} cannot be read ({why}); copy the whole export again")


class FileDamaged(ExportError):
    """A file's size or SHA-256 is not what the manifest says, or it changed while it was copied."""

    def __init__(self, directory: Path, name: str, why: str) -> None:
        super().__init__(directory, f"{name} is damaged or half copied ({why}); copy it again")


class StagingFailed(ExportError):
    """The export could not be copied to the staging directory."""

    def __init__(self, directory: Path, why: str) -> None:
        super().__init__(directory, f"could not be staged ({why}); free some space or set another staging directory")


class LaneFailed(ExportError):
    """One lane of an export cannot serve."""

    def __init__(self, directory: Path, lane: str, why: str) -> None:
        super().__init__(directory, f"lane {lane} does not serve ({why}); export again")
        self.lane = lane


class GoldenMismatch(LaneFailed):
    """A lane loads but answers other values than the export's golden samples."""

    def __init__(self, directory: Path, lane: str, difference: float, tolerance: float) -> None:
        super().__init__(directory, lane, f"golden samples differ by {difference:.3g}, allowed is {tolerance:.3g}")


class RoleFailed(ExportError):
    """The forest or the plan regressor of an export cannot serve."""

    def __init__(self, directory: Path, role: str, why: str) -> None:
        super().__init__(directory, f"{role} does not serve ({why}); export again")


class ExportUnverified(ExportError):
    """Only verified exports may serve, and this one has no hashes or no golden samples."""

    def __init__(self, directory: Path, missing: str) -> None:
        super().__init__(
            directory, f"is unverified ({missing}) and verified exports are required; export again with both"
        )


class PredictionError(ModelsError):
    """One image could not be predicted; base routing still can."""


class PredictionFailed(PredictionError):
    """The predictor raised, or answered something that is no number."""


class PredictionCancelled(PredictionError):
    """`Cancel.cancel` ended the run."""

    def __init__(self) -> None:
        super().__init__("the prediction was cancelled")

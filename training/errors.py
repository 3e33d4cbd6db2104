"""What can go wrong while training; each error says what to do next."""

from collections.abc import Sequence

from router.errors import CrossesProcesses


class TrainingError(CrossesProcesses):
    """Root of training's errors."""


class FamilyMissing(TrainingError):
    """A family's package could not be fetched or read."""

    def __init__(self, package: str, reason: str) -> None:
        super().__init__(
            f"{package} is not there ({reason}); check the network and npm, or put its .tgz into the corpus folder"
        )
        self.package, self.reason = package, reason


class StepMissing(TrainingError):
    """A step needs what an earlier one leaves."""

    def __init__(self, path: object, step: str) -> None:
        super().__init__(f"{path} holds nothing yet; run `python -m training {step}` first")


class CorpusTooSmall(TrainingError):
    """The share of the corpus leaves nothing to learn from."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the corpus is too small: {reason}; use a larger --scale")


class LabelsDamaged(TrainingError):
    """A label file cannot be read."""

    def __init__(self, path: object, reason: str, remedy: str = "delete it") -> None:
        super().__init__(f"{path} is damaged ({reason}); {remedy} and label again: what is finished is not done again")


class PolicyDamaged(TrainingError):
    """The trained policy in the work folder cannot be read."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path} is damaged ({reason}); run `python -m training ppo` again, or delete its folder")


class LabelsBusy(TrainingError):
    """Two runs want to append to one label file."""

    def __init__(self, path: object) -> None:
        super().__init__(f"another run is writing {path}; wait for it, or choose another folder with --work")


class LabelsUnwritable(TrainingError):
    """A label cannot be written, most often because the disk is full."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(
            f"cannot write {path} ({reason}); every line in it is whole: free some room, "
            "then run the same command again to go on where it stopped"
        )


class LabelsForeign(TrainingError):
    """Finished labels cannot be reused: they belong to other plans, or other labels lie where they would go."""

    def __init__(self, path: object, reason: str, remedy: str) -> None:
        super().__init__(f"the labels in {path} cannot be reused: {reason}; {remedy}")


class ExportUnfit(TrainingError):
    """An export loads, but is not one to hand out."""

    def __init__(self, export: object, reason: str) -> None:
        super().__init__(f"{export} is not fit to be handed out: {reason}; train again")


class ExtraMissing(TrainingError):
    """A step needs a package that only an extra of the distribution brings."""

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(f"{module} is not installed; run: pip install 'vecroute[{extra}]'")


class CargoRefused(TrainingError):
    """The folder for shipped files belongs to somebody else."""

    def __init__(self, path: object) -> None:
        super().__init__(
            f"{path} belongs to another user; remove it, or set TMPDIR on that machine to a folder of yours"
        )


class ClusterUnreachable(TrainingError):
    """No Ray cluster answers."""

    def __init__(self, address: str | None, reason: str) -> None:
        where = f"no Ray cluster answers at {address}" if address else "Ray does not start here"
        super().__init__(f"{where} ({reason}); check --ray-address, or leave it out to use this machine alone")


class Incomplete(TrainingError):
    """A step did what it could, and something is missing; later steps can go on without it."""

    def __init__(self, step: str, failed: int, listed: object, missing: Sequence[FamilyMissing]) -> None:
        parts = [f"{failed} images have no label ({listed} says why)"] if failed else []
        if missing:
            absent = ", ".join(f"{one.package} ({one.reason})" for one in missing)
            parts.append(
                f"families are not there: {absent}; check the network and npm, or put the .tgz into the corpus"
            )
        super().__init__(f"{step}: {'; '.join(parts)}; the rest is done, the same command tries only these again")


class NothingWorks(TrainingError):
    """Not one image could be labelled."""

    def __init__(self, count: int, reason: str) -> None:
        super().__init__(
            f"the first {count} images all failed, the last one was {reason}; no label would come of going on"
        )

"""What can go wrong while training; each error says what to do next."""


class TrainingError(Exception):
    """Root of training's errors."""


class FamilyMissing(TrainingError):
    """A family's package could not be fetched or read."""

    def __init__(self, package: str, reason: str) -> None:
        super().__init__(
            f"{package} is not there ({reason}); check the network and npm, or put its .tgz into the corpus folder"
        )


class LabelsDamaged(TrainingError):
    """A label file cannot be read."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path} is damaged ({reason}); delete it and label again, finished images are kept beside it")

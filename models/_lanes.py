"""A lane runs the quality predictor: ONNX Runtime, or TorchScript, which loads torch only when one is built."""

import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as _state

from models.errors import PredictionCancelled, PredictionFailed
from router import Lane

Array = NDArray[np.float32]

# ONNX Runtime's errors share no base class of their own; these are all it defines.
_STATE_ERRORS = tuple(
    value for value in vars(_state).values() if isinstance(value, type) and issubclass(value, Exception)
)
# What a model may raise while it is loaded or run: the runtimes' own, and Python's for inputs that do not fit.
RUNTIME_ERRORS: tuple[type[Exception], ...] = (*_STATE_ERRORS, ValueError, TypeError, RuntimeError, OSError)

# Creating sessions at the same time is not promised to be safe (only running them is).
_LOADING = threading.Lock()


class Cancel:
    """Ends the ONNX run it was handed to; safe from any thread, before, during and after the run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancelled = False
        self._options: list[Any] = []

    def cancel(self) -> None:
        """Stop the run at its next node; one that has not begun will not begin. Calling it again changes nothing."""
        with self._lock:
            self._cancelled = True
            for options in self._options:
                options.terminate = True

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled

    @contextmanager
    def watching(self, options: Any) -> Iterator[None]:
        """Let `cancel` reach these run options for as long as the block runs."""
        with self._lock:
            if self._cancelled:
                raise PredictionCancelled
            self._options.append(options)
        try:
            yield
        finally:
            with self._lock:
                self._options.remove(options)


class PredictorLane(Protocol):
    """What an export needs of a lane."""

    @property
    def name(self) -> Lane: ...
    @property
    def input_names(self) -> tuple[str, ...]: ...
    @property
    def vector_width(self) -> int | None: ...
    def run(self, inputs: Mapping[str, Array], cancel: Cancel | None = None) -> Array:
        """Return the raw output [N, K].

        Raises:
            PredictionCancelled: `cancel` was called.
            PredictionFailed: the model raised.
        """


def session(source: Path | bytes) -> Any:
    """Load an ONNX model with one thread that never spins: an idle spinning session halves its neighbour's speed.

    By path unless it is small: loading bytes holds the interpreter lock for as long as the copy takes.

    Raises:
        Exception: any of `RUNTIME_ERRORS`, also when the model takes or answers nothing.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4  # what goes wrong is raised; the log on stderr would say it twice
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    with _LOADING:
        loaded = ort.InferenceSession(
            source if isinstance(source, bytes) else str(source), options, providers=["CPUExecutionProvider"]
        )
    if not loaded.get_inputs() or not loaded.get_outputs():
        raise ValueError("it takes no input or answers nothing")
    return loaded


class OnnxLane:
    """The predictor under ONNX Runtime; may be run from several threads at once."""

    name: Lane = "onnx"

    def __init__(self, path: Path) -> None:
        self._session = session(path)
        nodes = self._session.get_inputs()
        self.input_names: tuple[str, ...] = tuple(node.name for node in nodes)
        widths = [node.shape[1] for node in nodes if len(node.shape) == 2 and isinstance(node.shape[1], int)]
        self.vector_width: int | None = widths[0] if widths else None
        self._outputs = [self._session.get_outputs()[0].name]
        # Models exported without a dynamic batch take one candidate at a time, whatever the manifest would like.
        self._single = bool(nodes) and all(node.shape[:1] == [1] for node in nodes)

    def run(self, inputs: Mapping[str, Array], cancel: Cancel | None = None) -> Array:
        """Return the raw output [N, K]; see `PredictorLane.run`."""
        rows = max(len(value) for value in inputs.values())
        if self._single and rows > 1:
            return np.concatenate([self._run(_row(inputs, index), cancel) for index in range(rows)])
        return self._run(inputs, cancel)

    def _run(self, inputs: Mapping[str, Array], cancel: Cancel | None) -> Array:
        cancel = cancel or Cancel()
        options = ort.RunOptions()
        options.log_severity_level = 4
        try:
            with cancel.watching(options):
                return _matrix(self._session.run(self._outputs, dict(inputs), options)[0])
        except RUNTIME_ERRORS as exc:
            # The exception's class is shared with other failures, so only our own flag tells a cancelled run.
            if cancel.cancelled:
                raise PredictionCancelled from exc
            raise PredictionFailed(f"the onnx predictor failed: {first_line(exc)}") from exc


class TorchScriptLane:
    """The predictor under torch; a run that has begun cannot be stopped, only its answer dropped."""

    name: Lane = "torchscript"

    def __init__(self, path: Path) -> None:
        import torch

        torch.set_num_threads(1)  # measured faster for one caller on few cores, and leaves the others their core
        with _LOADING, warnings.catch_warnings():
            # TorchScript is deprecated, which the owner of an export cannot change from here.
            warnings.simplefilter("ignore", DeprecationWarning)
            load: Callable[..., Any] = torch.jit.load
            self._module = load(str(path), map_location="cpu").eval()
        arguments = self._module.forward.schema.arguments[1:]
        self.input_names: tuple[str, ...] = tuple(a.name for a in arguments if not a.has_default_value())
        matrices = [tuple(p.shape) for p in self._module.parameters() if p.ndim == 2]
        self.vector_width: int | None = matrices[0][1] if matrices else None
        self._from_numpy, self._inference = torch.from_numpy, torch.inference_mode

    def run(self, inputs: Mapping[str, Array], cancel: Cancel | None = None) -> Array:
        """Return the raw output [N, K]; the inputs are given by position, in the manifest's order."""
        if cancel and cancel.cancelled:
            raise PredictionCancelled
        try:
            with self._inference():
                output = self._module(*map(self._from_numpy, inputs.values()))
                result = _matrix(output.numpy())
        except (RuntimeError, ValueError, TypeError, AttributeError) as exc:
            raise PredictionFailed(f"the torchscript predictor failed: {first_line(exc)}") from exc
        if cancel and cancel.cancelled:
            raise PredictionCancelled
        return result


LANES: dict[str, Callable[[Path], PredictorLane]] = {"onnx": OnnxLane, "torchscript": TorchScriptLane}


def _matrix(output: NDArray[Any]) -> Array:
    """Return the output as [N, K]; older models answer [N]."""
    matrix = np.asarray(output, dtype=np.float32)
    return matrix.reshape(-1, 1) if matrix.ndim == 1 else matrix


def _row(inputs: Mapping[str, Array], index: int) -> dict[str, Array]:
    return {name: value if len(value) == 1 else value[index : index + 1] for name, value in inputs.items()}


def first_line(exc: BaseException) -> str:
    """Return the first line of what a runtime says; the rest is a trace through its own code."""
    lines = str(exc).strip().splitlines()
    return lines[0][:300] if lines else type(exc).__name__

"""The interface io.github.vecroute.Router in Varlink's own language, a comment on every field.

The types are those of `_wire` and `router`; a test compares them field by field. Only add: a new field is nullable,
an incompatible change is a new interface with a number at its end.
"""

from typing import Final

INTERFACE: Final = "io.github.vecroute.Router"

DESCRIPTION: Final = """\
# Chooses, for each raster logo, the way of turning it into SVG that reaches the wanted quality in the time allowed.
# Send images as file descriptors where you can: the daemon then needs no permission on your files and reads no path.
interface io.github.vecroute.Router

# A way to obtain a plan, cheapest first.
type Method (
  # One fixed preset, for least time.
  performance,
  # Closed formulas from features.
  feature_mapping,
  # Regressors trained on the plans that a search found best.
  regression,
  # A policy that refines the plan over several measured conversions.
  ppo
)

# What predicted: the quality predictor as ONNX or as TorchScript, or none (base routing).
type Lane (
  # The predictor, run by ONNX Runtime.
  onnx,
  # The predictor, run by torch.
  torchscript,
  # No predictor: the forest, or under it a fixed rule table.
  base
)

# Everything one conversion needs; running it twice gives the same SVG. VTracer is the tracer it runs.
type Plan (
  # Each side is enlarged this many times before tracing (cubic, alpha premultiplied): 1..8, default 1.
  upscale: int,
  # How alpha is handled. none: every pixel that is not fully transparent counts as opaque; binary (default): cut at one
  # half, over bled colours; bands: soft alpha is traced in translucent layers.
  matte: (none, binary, bands),
  # The image is reduced to this many colours: 0 (default: off)..256.
  palette: int,
  # Strength of the edge-preserving filter: 0 (default: off)..3.
  denoise: int,
  # VTracer: the kind of curve; smooth is none with its steps cut. Default polygon.
  mode: (polygon, spline, none, smooth),
  # VTracer: shapes lie on top of each other (default) or are cut out of each other.
  hierarchical: (stacked, cutout),
  # VTracer: colours (default) or black and white.
  colormode: (color, binary),
  # VTracer: bits per colour channel, 1..8, default 6.
  colorPrecision: int,
  # VTracer: patches of fewer pixels a side are dropped, 0..16, default 4.
  filterSpeckle: int,
  # VTracer: colour steps between two layers, 0..255, default 16.
  layerDifference: int,
  # VTracer: least angle of a corner in degrees, 0..180, default 60.
  cornerThreshold: int,
  # VTracer: curves are subdivided until all segments are shorter, pixels, 3.5..10, default 4.
  lengthThreshold: float,
  # VTracer: most rounds of subdivision, 1..50, default 10.
  maxIterations: int,
  # VTracer: least angle in degrees at which a spline is split, 0..180, default 45.
  spliceThreshold: int,
  # VTracer: decimal places of coordinates in the SVG, 0..8, default 2.
  pathPrecision: int
)

# Which export made a prediction.
type Export (
  # Name from its manifest.
  name: string,
  # Version from its manifest.
  version: string,
  # Identity: SHA-256 over its files, in hex.
  digest: string,
  # Whether hashes and golden values were there and matched.
  verified: bool,
  # What it was trained on, in free text.
  trainedOn: string,
  # Measures on validation families, by name (pearson, mae, ...).
  metrics: [string]float
)

# The chosen method and plan, what to expect of it, and why.
type Decision (
  # The method to use.
  primaryMethod: Method,
  # The plan to run.
  plan: Plan,
  # Methods to try if that one fails, best first, at most 3.
  fallbackMethods: []Method,
  # How sure the choice is, 0..1.
  confidence: float,
  # One sentence built from the numbers.
  reasoning: string,
  # Expected quality (SSIM), 0..1.
  estimatedQuality: float,
  # Expected duration of the conversion on this host, seconds.
  estimatedSeconds: float,
  # Expected length of the SVG, bytes.
  estimatedSvgBytes: float,
  # Each method's best quality among its candidates that fit the budgets; empty on lane base.
  predictedQualities: [string]float,
  # Probability that the quality target is met, 0..1.
  qualityConfidence: float,
  # How long the prediction took, seconds.
  predictionSeconds: float,
  # What predicted.
  lane: Lane,
  # Whether a trained export's predictor was used.
  colabTrained: bool,
  # Whether that predictor ran on this host.
  localInference: bool,
  # Whether base routing decided.
  fallbackUsed: bool,
  # Why base routing decided; empty otherwise.
  fallbackReason: string,
  # The export in service then, also where base routing answered in its place; named builtin where none is installed.
  export: ?Export,
  # The policy that chose.
  policy: (weighted, constrained),
  # Load of the host when deciding, 0..1.
  systemLoad: float,
  # Share of memory that was available, 0..1.
  resourceAvailability: float,
  # Whether the prediction came from the cache (hit), was made for this call (miss) or in the caller's process (local).
  cache: (hit, miss, local),
  # When it was decided, Unix time in seconds.
  decidedAt: float
)

# How the cache of predictions does.
type CacheStatus (
  # Requests answered from it since the start.
  hits: int,
  # Requests that had to be computed since the start.
  misses: int,
  # Images it holds now.
  entries: int,
  # Images it can hold.
  capacity: int,
  # Decisions made by the clients themselves from the shared cache; null if it does not serve.
  localHits: ?int,
  # Valid entries that made room for others since the file was made; null if the shared cache does not serve.
  evicted: ?int,
  # Entries found to be too old since the file was made; null if the shared cache does not serve.
  expired: ?int,
  # The shared cache's file; null if only the daemon's own cache serves.
  path: ?string,
  # Why the shared cache does not serve; null if it does, or is not wanted.
  problem: ?string
)

# What the reported conversions gave since the start.
type OutcomeStatus (
  # Number of reports.
  count: int,
  # Mean measured quality, 0..1; null without reports.
  meanQuality: ?float,
  # Mean of |measured - predicted| quality; null without reports that name the prediction.
  meanAbsoluteError: ?float,
  # Mean duration of the conversions, seconds; null without reports.
  meanSeconds: ?float
)

# Predicted against measured quality over the last reports, at most 512, that name what the export in service predicted.
type TruthStatus (
  # Number of those reports.
  count: int,
  # Pearson correlation, -1..1; null until both vary.
  correlation: ?float,
  # Mean of |measured - predicted|; null without reports.
  meanAbsoluteError: ?float,
  # Mean of measured - predicted: below 0 if too much is promised; null without reports.
  bias: ?float,
  # Mean of |measured - predicted| by method, for methods with reports.
  methodErrors: [string]float,
  # The largest mean error that is no drift; null on lane base, which is not judged.
  errorLimit: ?float,
  # The drift alarm: why predictions do not hold any more; null if they do, or while there are fewer than 50 reports.
  drift: ?string
)

# The daemon in one value; counters count since the start.
type DaemonStatus (
  # Whether it takes requests.
  ready: bool,
  # The lane that serves now.
  lane: Lane,
  # The export that serves now; named builtin where none is installed.
  export: ?Export,
  # The cache of predictions.
  cache: CacheStatus,
  # Calls received.
  requests: int,
  # Seconds since the start.
  uptimeSeconds: float,
  # Version of the daemon.
  version: string,
  # Its process id.
  pid: int,
  # Calls answered with an error.
  errors: int,
  # Decisions by base routing.
  fallbacks: int,
  # Reported conversions.
  outcomes: OutcomeStatus,
  # The directory watched for exports.
  modelsDirectory: string,
  # Why the newest export found there does not serve; null if it does.
  exportProblem: ?string,
  # Whether it is stopping: calls under way are finished, new ones refused.
  draining: bool,
  # Open connections.
  connections: int,
  # Calls under way.
  inflight: int,
  # How true predictions are.
  truth: ?TruthStatus,
  # How many times the predicted seconds each method takes on this host, 1/8 to 8, as conversions were reported;
  # decisions count with it.
  speed: ?[string]float
)

# Decide how to convert one image. Give exactly one of content, fileDescriptor, hash and features.
method Route(
  # The encoded image (PNG, JPEG, WebP, GIF, BMP, TIFF) in base64.
  content: ?string,
  # Index of the file descriptor, among those sent with this message, to read the image from: a regular file or memfd.
  fileDescriptor: ?int,
  # BLAKE2b-128 of the encoded image in hex (32 digits): answered if cached, else error UnknownImage.
  hash: ?string,
  # Features measured by the caller, by name.
  features: ?[string]float,
  # Wanted quality (SSIM), above 0 and up to 1.
  qualityTarget: ?float,
  # Time allowed for the conversion, seconds above 0.
  timeBudget: ?float,
  # Most bytes of SVG.
  svgBudget: ?int,
  # Methods whose score is raised.
  preferredMethods: ?[]string,
  # Methods whose score is lowered.
  avoidedMethods: ?[]string,
  # weighted or constrained; the daemon's own if left out.
  policy: ?string,
  # The only method allowed.
  method: ?string
) -> (
  # The decision.
  decision: Decision,
  # The image's hash, to ask again without sending it; null if features were given.
  hash: ?string
)

# Predict what one plan would give on one image. Give exactly one of content, fileDescriptor, hash and features.
method Predict(
  # The method that the plan comes from.
  method: string,
  # The plan.
  plan: Plan,
  # The encoded image in base64.
  content: ?string,
  # Index of the file descriptor to read the image from.
  fileDescriptor: ?int,
  # BLAKE2b-128 of the encoded image in hex.
  hash: ?string,
  # Features measured by the caller, by name.
  features: ?[string]float
) -> (
  # Expected quality (SSIM), 0..1.
  quality: float,
  # Expected absolute error of that quality.
  qualityError: float,
  # Expected duration of the conversion on this host, seconds.
  seconds: float,
  # Expected length of the SVG, bytes.
  svgBytes: float,
  # What predicted.
  lane: Lane,
  # The export in service then, also where base routing answered in its place; named builtin where none is installed.
  export: ?Export
)

# Report what a conversion really gave.
method Report(
  # The method that was used.
  method: string,
  # Measured quality (SSIM), 0..1.
  quality: float,
  # Measured duration, seconds.
  seconds: float,
  # Length of the SVG, bytes.
  svgBytes: int,
  # BLAKE2b-128 of the encoded image in hex.
  hash: ?string,
  # The plan that was run.
  plan: ?Plan,
  # The quality that had been predicted.
  predictedQuality: ?float,
  # The duration that the decision had estimated, seconds above 0. Needed only where hash and plan are not given: what
  # the daemon itself predicted of them counts.
  predictedSeconds: ?float,
  # Digest of the decision's export, so that a report which comes after a swap is not counted for the next one.
  exportDigest: ?string
) -> ()

# Tell how the daemon does.
method Status() -> (
  # Its state now.
  status: DaemonStatus
)

# Look for exports again and serve the newest valid one. Answers once it serves.
method Reload() -> (
  # The export that serves now; named builtin where none is installed.
  export: ?Export
)

# Tell where the shared cache is. Its readers need no more than the path; hints keep alive what they use.
method Cache() -> (
  # The file, to be opened for reading and mapped.
  path: string,
  # Entries it has room for.
  entries: int,
  # Index of the file descriptor that came with this message: a memfd of one byte per slot, to be set to 1 on use, and
  # then, 8-aligned, 1024 counters of local hits (64 bits). Null if there are no hints.
  hintsFileDescriptor: ?int,
  # Which of the counters the caller may use; null if all are taken.
  reader: ?int
)

# Make all cached predictions invalid.
method FlushCache() -> (
  # How many there were.
  entries: int
)

# The bytes are not an image that can be read.
error InvalidImage (
  # What is wrong and what to do, on one line.
  message: string
)

# The image has more bytes or pixels than the limit.
error ImageTooLarge (
  # What is wrong and what to do, on one line.
  message: string,
  # How much it has.
  amount: int,
  # How much it may have.
  limit: int,
  # Of what: bytes or pixels.
  unit: string
)

# A parameter has the right type but a value that makes no sense.
error InvalidValue (
  # The parameter.
  parameter: string,
  # What is wrong and what to do, on one line.
  message: string
)

# Only a hash was given and that image is not known (any more): send the image.
error UnknownImage (
  # The hash that was given.
  hash: string,
  # What is wrong and what to do, on one line.
  message: string
)

# More requests are waiting than can be answered in time: try again.
error Overloaded (
  # What is wrong and what to do, on one line.
  message: string
)

# The message is longer than the limit. The connection lives on.
error MessageTooLarge (
  # What is wrong and what to do, on one line.
  message: string,
  # Most bytes of a message.
  limit: int
)

# The newest export did not pass its checks. The one that served still does.
error ReloadFailed (
  # What is wrong and what to do, on one line.
  message: string
)

# The daemon keeps no shared cache, or could not make it: ask it with Route.
error NoSharedCache (
  # What is wrong and what to do, on one line.
  message: string
)

# The daemon is stopping.
error ShuttingDown (
  # What is wrong and what to do, on one line.
  message: string
)

# The daemon itself failed on the request. Its log says more.
error InternalError (
  # What is wrong and what to do, on one line.
  message: string
)
"""

SERVICE_DESCRIPTION: Final = """\
# Every Varlink service offers this interface: it tells what the service is and describes its interfaces.
interface org.varlink.service

# Tell what this service is and which interfaces it has.
method GetInfo() -> (
  # Who makes it.
  vendor: string,
  # What it is called.
  product: string,
  # Its version.
  version: string,
  # Where to read more.
  url: string,
  # The names of its interfaces.
  interfaces: []string
)

# Return the text of one interface.
method GetInterfaceDescription(
  # Its name.
  interface: string
) -> (
  # Its text.
  description: string
)

# The service does not have that interface.
error InterfaceNotFound (
  # The name that was asked for.
  interface: string
)

# The interface does not have that method.
error MethodNotFound (
  # The name that was asked for.
  method: string
)

# The interface describes the method but this service does not offer it.
error MethodNotImplemented (
  # The name that was asked for.
  method: string
)

# A parameter is unknown, missing or of the wrong type.
error InvalidParameter (
  # The parameter.
  parameter: string
)

# The caller may not do that.
error PermissionDenied ()

# The method streams its answers and must be called with `more`.
error ExpectedMore ()
"""

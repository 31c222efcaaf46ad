"""The keys of `export` and `serve`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from eyas.core.schema.monitoring import MonitoringConfig
from eyas.core.schema.section import NAME, Fraction, PixelLimit, Section
from eyas.core.schema.trust import AuthConfig, CorsConfig, Network, RateConfig, TlsConfig

ROUTE = r"/[^{}?#\s]*"
Route = Annotated[str, Field(pattern=f"^{ROUTE}$")]


class ExportConfig(Section):
    """How a run becomes a bundle."""

    version: Annotated[str, Field(pattern=f"^{NAME}$")] | None = None
    """The bundle's version. Unset: the run's name and the first 8 digits of the graph's hash."""
    tolerance: PositiveFloat = 1e-4
    """Largest difference between PyTorch and ONNX Runtime over the test split, in any output."""
    coverage: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Share of answers whose conformal set is to hold the true class."""
    max_accuracy_drop: Fraction = 0.01
    """Accuracy that `--int8` and `--fp16` may lose against float32 over the test split."""


class ServeConfig(Section):
    """The prediction service."""

    def shares(self, cores: int) -> tuple[int, int]:
        """Workers, and threads of ONNX Runtime in each, where the process may use so many cores."""
        workers = self.workers or cores
        return workers, self.threads or max(1, cores // workers)

    @property
    def max_body(self) -> int:
        """Bytes of a request body, at most."""
        return int(self.max_body_mb * 1_000_000)

    @property
    def max_bodies(self) -> int:
        """Bytes of all request bodies that a worker holds, at most."""
        return int((self.max_bodies_mb or max(256.0, self.max_body_mb)) * 1_000_000)

    @model_validator(mode="after")
    def _room_for_the_largest(self) -> Self:
        if self.max_bodies_mb is not None and self.max_bodies_mb < self.max_body_mb:
            raise ValueError(f"have a max_bodies_mb of at least its max_body_mb={self.max_body_mb:g}")
        return self

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Field(ge=1, le=65535)] = 5000
    """Port to listen on."""
    grpc_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Port of `host` for the Open Inference Protocol over gRPC, which needs the extra [grpc]. Unset: none."""
    workers: PositiveInt | None = None
    """Processes. Unset: as many as the cores this process may use."""
    max_body_mb: PositiveFloat = 32.0
    """A larger request body is refused while it is read (413)."""
    max_bodies_mb: PositiveFloat | None = None
    """Of all bodies that a worker holds at one time, from when they come until they are answered; what goes beyond is
    refused (503). Unset: 256, or `max_body_mb` where that is more."""
    max_connections: PositiveInt = 1000
    """Of a worker. Those above are let in to ask for health and metrics, once each; predictions are refused (503)."""
    max_images: PositiveInt = 256
    """Images in one request, at most."""
    max_batch_images: PositiveInt = 10_000
    """Images in one request to /predict/batch, at most."""
    max_pixels: PixelLimit = 25_000_000
    """Pixels in one request's image files, in all; more are refused by their headers, before they are decoded."""
    threads: PositiveInt | None = None
    """For ONNX Runtime. Unset: `eyas predict` takes the cores this process may use; `eyas serve` shares them between
    its workers."""
    share_weights: bool = True
    """Workers have the weights of graphs from 4 MB on in memory once for all of them. While the service runs, these are
    in the system's folder for temporary files."""
    outlier_rate: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """Share of images like the held-out ones that may be called unknown. 0: nothing is said of that."""
    ui: bool = True
    """Whether there is a page at `/`, for browsers."""
    access_log: bool = False
    """A line for every answer, on standard error."""
    json_logs: bool = False
    """All lines as JSON."""
    traces: bool = False
    """A span for every request, sent where OpenTelemetry's OTEL_EXPORTER_OTLP_* variables say (eyas[otel])."""
    body_seconds: PositiveFloat = 20.0
    """A request whose body has not come whole by then is refused (408)."""
    header_seconds: PositiveFloat = 10.0
    """A connection whose request has not told its headers by then is closed."""
    max_wait_seconds: PositiveFloat = 0.5
    """Of work that may wait in a worker; what would come on top is refused at once (503). A queue that stays full is
    kept to a tenth of it."""
    timeout_seconds: PositiveFloat = 30.0
    """From the end of a request's headers to its answer; then it is given up (504), and not computed where that has not
    begun. Over gRPC the client's own deadline holds where it is sooner. Each image of /predict/batch has this time."""
    open_to_network: bool = False
    """Listen beyond this machine without asking for tokens: whoever reaches the port may use the service."""
    auth: AuthConfig | None = None
    """`null`: nobody is asked for a token."""
    rate: RateConfig | None = None
    """`null`: no limit."""
    cors: CorsConfig = CorsConfig()
    """For scripts of pages from elsewhere."""
    tls: TlsConfig | None = None
    """`null`: plain HTTP."""
    explain_seconds: Annotated[float, Field(ge=0, le=60)] = 2.0
    """That an explanation may take, roughly; after twice as many it is given up. 0: there is no /explain."""
    user_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")] = "X-User-Id"
    """Names the user, who then stays with one arm of a rollout. It is hashed, and never kept."""
    monitor: MonitoringConfig | None = MonitoringConfig()
    """`null`: nothing is watched."""
    trusted_proxies: tuple[Network, ...] = ()
    """Proxies, by address or network, whose word on a client's address (X-Forwarded-For) is taken."""
    require_signature: str | None = None
    """A public key (PEM) that bundles must be signed for, see `eyas sign`. Unset: no signature is asked for."""
    audit_file: str | None = None
    """Where each admin action is written down, one line of JSON. Unset: standard error."""
    default_model: str | None = None
    """Of a repository: what answers where a request names no model. Unset: the first by name at the start."""
    versions: Literal["live", "all"] = "live"
    """Of a repository: `live` has each model's live version in memory, `all` every version of a model that is live."""
    poll_seconds: NonNegativeFloat = 2.0
    """Between two looks at a repository; 0: it is looked at on SIGHUP and by the admin endpoints alone."""
    prepare_seconds: PositiveFloat = 60.0
    """A repository's version that is not loaded and proved within this time is refused."""
    admin: bool = False
    """Of a repository: whether there are /admin endpoints. Without authentication they answer this machine alone."""
    admin_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """A second port of `host`, and the only one where the /admin endpoints answer. Unset: they answer on `port`."""
    vertex_predict_route: Route | None = None
    """Path on which Vertex AI asks for predictions. Unset: AIP_PREDICT_ROUTE where there is such a variable."""
    vertex_health_route: Route | None = None
    """Path on which Vertex AI asks for health. Unset: AIP_HEALTH_ROUTE where there is such a variable."""

"""How much a client may ask of the service."""

from __future__ import annotations

from dataclasses import dataclass

from automl.errors import ConfigError

MB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Bounds of one service; what is beyond them gets a clear answer of 4xx or 503.

    max_bytes: of a request's body (413).  max_rows: of one request (413).  max_columns: of a
    table in a request (413).  timeout: seconds to send a request (408) or to be answered (503).
    max_requests: answered at a time; further ones get 429.  max_connections: open at a time;
    further ones get 503.
    """

    max_bytes: int = 16 * MB
    max_rows: int = 50_000
    max_columns: int = 10_000
    timeout: float = 30.0
    max_requests: int = 256
    max_connections: int = 1024

    def __post_init__(self) -> None:
        for name in ("max_bytes", "max_rows", "max_columns", "max_requests", "max_connections"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, but must be at least 1.")
        if not 0.1 <= self.timeout <= 86_400:
            raise ConfigError(f"The timeout is {self.timeout} s.", hint="Give 0.1 to 86400.")

    @property
    def max_held(self) -> int:
        """Bytes of all bodies that are held at a time."""
        return max(16 * self.max_bytes, 64 * MB)


class Load:
    """What is being answered. requests: that are posted.  held: bytes of their bodies."""

    def __init__(self) -> None:
        self.requests = 0
        self.held = 0

    def refuses(self, limits: Limits) -> bool:
        """Whether one more is too many."""
        return self.requests >= limits.max_requests or self.held > limits.max_held

    def begin(self, n_bytes: int) -> None:
        self.requests += 1
        self.held += n_bytes

    def end(self, n_bytes: int) -> None:
        self.requests -= 1
        self.held -= n_bytes

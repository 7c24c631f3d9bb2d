"""Who may ask: bearer tokens, and the names that the service answers to."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from pathlib import Path

from automl.errors import ConfigError
from automl.serve.http import Request
from automl.serve.refusal import Refusal

_SHORTEST = 16
_LOCAL = ("127.0.0.1", "localhost", "[::1]", "::1")


class Access:
    """Checks each request.

    token_file: one token a line; None = everybody may ask.  hosts: names that the header Host may
    have; () = any.
    """

    def __init__(self, token_file: Path | None, hosts: Sequence[str] = ()) -> None:
        self._file = token_file
        self._digests: tuple[bytes, ...] = ()
        self._hosts = frozenset(host.lower() for host in hosts)
        self.read()

    def read(self) -> None:
        """Read the tokens again. Raises ConfigError for a file without a usable one."""
        if self._file is None:
            return
        try:
            lines = self._file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"The token file '{self._file}' cannot be read: {error}.") from error
        tokens = [line.strip() for line in lines if line.strip()]
        if not tokens or any(len(token) < _SHORTEST for token in tokens):
            raise ConfigError(
                f"The token file '{self._file}' has no token, or one under {_SHORTEST} letters.",
                hint="Write one long random token a line: python -c 'import secrets; "
                "print(secrets.token_urlsafe(32))'.",
            )
        self._digests = tuple(hashlib.sha256(token.encode()).digest() for token in tokens)

    def check(self, request: Request) -> None:
        """Raise Refusal (401) without a right token."""
        if not self._digests:
            return
        kind, _, token = request.header(b"authorization").partition(" ")
        given = hashlib.sha256(token.strip().encode("utf-8", "replace")).digest()
        # All of them, whichever fits: the time says nothing about the tokens.
        fits = [hmac.compare_digest(given, digest) for digest in self._digests]
        if kind.lower() != "bearer" or not any(fits):
            raise Refusal(
                401,
                "A token is needed." if not token else "The token is not right.",
                hint="Send the header 'Authorization: Bearer TOKEN'.",
                headers={"WWW-Authenticate": 'Bearer realm="automl"'},
                close=True,
            )

    def check_host(self, request: Request) -> None:
        """Raise Refusal (421) for a name that a stranger's page made point to this machine."""
        if not self._hosts:
            return
        host = request.header(b"host").lower()
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if name not in self._hosts:
            raise Refusal(
                421,
                f"The service does not answer to the name {name[:100]!r}.",
                hint="Start it with --allow-host NAME.",
                close=True,
            )


def hosts_for(host: str, token_file: Path | None, allowed: Sequence[str]) -> tuple[str, ...]:
    """The names to answer to: a service for this machine only, without a token, is choosy."""
    if "*" in allowed or token_file is not None or host not in _LOCAL:
        return ()
    return (*_LOCAL, *allowed)

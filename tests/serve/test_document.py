"""The OpenAPI document against the service: Schemathesis asks what it promises, and what not."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from service import Live

HOOKS = """
import json
import schemathesis

@schemathesis.serializer("application/x-ndjson")
def lines(ctx, value):
    return json.dumps(value).encode()

@schemathesis.deserializer("application/x-ndjson")
def answers(ctx, response):
    return [json.loads(line) for line in response.text.splitlines()]
"""
# With `lenient` it takes what does not fit; too many rows are 413.
CONFIG = """
[parameters]
"query.mode" = "default"
[checks.negative_data_rejection]
expected-statuses = [400, 401, 404, 405, 413, 415, 422, 429]
"""
# What a schema cannot say (columns of one length, days that exist) is refused with 422, so that
# "what fits the schema is accepted" is not asked.
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance,negative_data_rejection,"
    "unsupported_method,missing_required_header"
)


@pytest.mark.slow
def test_the_service_keeps_what_its_document_promises(live: Live, tmp_path: Path) -> None:
    """In an environment of its own: Schemathesis wants other versions than the tests do."""
    venv.create(tmp_path / "env", with_pip=True)
    folder = tmp_path / "env" / ("Scripts" if sys.platform == "win32" else "bin")
    install = [folder / "python", "-m", "pip", "install", "-q", "schemathesis>=4.10"]
    subprocess.run(install, check=True)
    (tmp_path / "hooks.py").write_text(HOOKS, encoding="utf-8")
    (tmp_path / "schemathesis.toml").write_text(CONFIG, encoding="utf-8")
    told = subprocess.run(
        [
            folder / "schemathesis",
            "run",
            f"http://127.0.0.1:{live.port}/openapi.json",
            "--max-examples=20",
            f"--checks={CHECKS}",
            r"--exclude-path-regex=^/models/again/",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "SCHEMATHESIS_HOOKS": "hooks"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout[-20_000:]

"""`python -m automl` is `automl`."""

from __future__ import annotations

from automl.cli.main import run

if __name__ == "__main__":
    run()

"""`python -m automl` is `automl`."""

from __future__ import annotations

import sys

from automl.cli.main import run

if __name__ == "__main__":
    sys.exit(run())

"""`python -m automl` is `automl`."""

from __future__ import annotations

import sys

from automl.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

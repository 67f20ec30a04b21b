"""`python -m salecli`: the same as `sale`."""

from __future__ import annotations

import sys

from salecli.cli import main

if __name__ == "__main__":
    sys.exit(main())

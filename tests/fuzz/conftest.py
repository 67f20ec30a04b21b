"""How the fuzz tests draw: the same examples at every run, nothing kept; FUZZ_EXAMPLES=9000 draws others."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

from hypothesis import HealthCheck, configuration, settings

# Hypothesis keeps what it learns of the code and of Unicode in a folder: not in the checkout.
_kept = tempfile.mkdtemp(prefix="hypothesis-")
atexit.register(shutil.rmtree, _kept, ignore_errors=True)
configuration.set_hypothesis_home_dir(_kept)

MORE = int(os.environ.get("FUZZ_EXAMPLES", "0"))
settings.register_profile(
    "sale",
    database=None,
    deadline=None,
    derandomize=not MORE,
    max_examples=MORE or 80,
    # Whether a machine is loaded says nothing about the code.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("sale")

"""sale: four local models bid for a coding task; the winner works in a sandbox until the tests pass."""

__version__ = "0.1.0"

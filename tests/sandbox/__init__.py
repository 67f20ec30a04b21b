"""What must not happen, tried with a real engine: resources, escapes, what comes out, tests, blame."""

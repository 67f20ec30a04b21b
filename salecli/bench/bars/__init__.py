"""What is measured, against which bar: one module per room, each with `rows() -> list[dict]`."""

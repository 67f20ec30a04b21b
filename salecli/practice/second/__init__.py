"""The second curriculum: nine families of small tasks, beside the first one that the shipped models know."""

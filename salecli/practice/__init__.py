"""The practice pool: a curriculum of small tasks, the training of its four models, and their export."""

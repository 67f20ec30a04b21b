"""Practice tasks: nine families in five levels, each a small repository made from its level and seed."""

"""Practice tasks, (level, seed), that the shipped models solve as tests need it.

Runs are deterministic: what was found once holds until models, prompts or sampling change, and is to be found
anew then. Tasks of a seed that nine divides are of one function over a list.
"""

from __future__ import annotations

EASY = 1, 18  # solved at seed 0 by the market, and by each agent alone at its first attempt
SMALLEST = 1, 18  # solved by xs in a pool of its own
REVISED = 1, 18  # solved by the market without xs, and by the same agent again after "write it shorter"
EVENTFUL = tuple((1 + seed % 5, seed) for seed in range(1, 21))  # on one memory: some bid is refined
ANY_LIST = 3, 9  # of a function over a list with at least four steps; whatever becomes of it
ANY = 3, 8  # whatever becomes of it
SHORT = 1, 1  # whatever becomes of it, soon
LONG = (4, 1), (4, 2)  # whatever becomes of them

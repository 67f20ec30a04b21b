"""The guards of pulled model files."""

from __future__ import annotations

from tests.guard_table import Guard, guards

PULL = "tests/hub/test_pull.py"
FILES = "tests/hub/test_files.py"
OWN = "tests/hub/test_refusals.py::test_a_file_of_ones_own_is_never_replaced"

HUB: tuple[Guard, ...] = (
    *guards(
        "salecli/adapters/download.py",
        f"{PULL}::test_a_part_whose_bytes_rotted_is_pulled_anew",
        ("bytes of another sha256", "if self._digest.hexdigest() == self._remote.sha256:", "if True:"),
        (
            "one pull of a file at a time",
            "if _locked(descriptor) and _is_at(descriptor, part):",
            "if True:",
            f"{PULL}::test_two_pulls_at_once",
        ),
        (
            "files that change under a commit",
            "name != self._remote.sha256",
            "False",
            f"{PULL}::test_a_file_that_changes_under_its_commit_while_it_is_pulled",
        ),
        (
            "servers without ranges",
            "elif self._offset:",
            "elif False:",
            f"{PULL}::test_a_server_that_knows_no_ranges",
        ),
    ),
    *guards(
        "salecli/adapters/pull.py",
        OWN,
        ("a user's own files", "_owned(one, remote)", "pass"),
        (
            "damaged files",
            'changed_ns=changed if state == "verified" else 0',
            "changed_ns=changed",
            f"{FILES}::test_a_damaged_file_is_found_and_pulled_again",
        ),
        (
            "files that other pools need",
            "others = tuple(one for one in old.pools if one != pool) if old else ()",
            "others: tuple[str, ...] = ()",
            f"{FILES}::test_removing_a_pool_spares_what_another_one_needs",
        ),
        (
            "caches that rotted",
            'if right and self._hash(transfer, cached, "from cache") == remote.sha256:',
            "if right:",
            f"{FILES}::test_a_damaged_cache_is_passed_over",
        ),
    ),
    *guards(
        "salecli/pool.py",
        f"{FILES}::test_no_file_of_a_hub_lands_outside_of_the_models_folder",
        (
            "files outside of the models folder",
            'agent.model.startswith(("/", "~")) or ".." in agent.model.split("/")',
            "False",
        ),
    ),
)

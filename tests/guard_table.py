"""The guards of the program: what each is, what stands there without it, and the test that must notice."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Guard:
    """What is taken away, and the test that fails without it."""

    what: str
    file: str
    old: str
    new: str
    test: str


def guards(
    file: str, test: str, *found: tuple[str, str, str, str] | tuple[str, str, str]
) -> tuple[Guard, ...]:
    """Guards of one file: (what, old, new), with a test of their own where it is not the usual one."""
    return tuple(Guard(one[0], file, one[1], one[2], one[3] if len(one) > 3 else test) for one in found)


BAD_NAMES = "tests/adapters/test_archive.py::test_bad_names_are_refused"
BAD_LINKS = "tests/adapters/test_archive.py::test_links_out_of_the_tree_are_refused"
OPTIONS = "tests/sandbox/test_escape.py::test_the_options_took_effect_whatever_the_repository_says"
CHEATS = "tests/sandbox/test_tampering.py::test_cheating_is_not_green"
BROKEN = "tests/adapters/test_llama_broken.py::test_a_broken_file_is_refused_in_one_line"
CHILD = "tests/adapters/test_llama_children.py::test_a_process_that_answers_nonsense_is_ended"
HEADER = "tests/adapters/test_gguf_header.py::test_hostile_counts_end_with_the_file"
SETTINGS = "tests/fuzz/test_config.py::test_a_repositorys_settings_are_read_or_refused"
UNDO = "tests/adapters/test_undo.py"

GUARDS: tuple[Guard, ...] = (
    *guards(
        "salecli/adapters/policy.py",
        BAD_NAMES,
        ("long paths", "if len(path) > 4000:", "if False:"),
        ("names that are no UTF-8", "if _SURROGATE.search(path):", "if False:"),
        ("control characters in names", "if _CONTROL.search(path):", "if False:"),
        ("invisible characters in names", "if _IGNORABLE.search(path):", "if False:"),
        ("backslashes in names", 'if "\\\\" in path:', "if False:"),
        ("paths upwards", 'if part in ("", ".", ".."):', "if False:"),
        (
            "paths into .git",
            '        if names_git(part):\n            return "a path',
            '        if False:\n            return "a path',
        ),
        (
            ".git by case",
            'unicodedata.normalize("NFKC", part)).casefold()',
            'unicodedata.normalize("NFKC", part))',
        ),
        (".git by its short name", " or bool(_SHORT_GIT.match(plain))", ""),
        (".git with a dot behind", '.rstrip(". ")', ""),
        ("long names", "if len(part.encode()) > 255:", "if False:"),
        ("links to absolute targets", 'target.startswith(("/", "~"))', "False", BAD_LINKS),
        ("links upwards", "if below or depth < 0:", "if False:", BAD_LINKS),
        (
            "links into .git",
            '        if names_git(part):\n            return "a link',
            '        if False:\n            return "a link',
            BAD_LINKS,
        ),
        (
            "long targets of links",
            "if len(target) > 4000:",
            "if False:",
            BAD_LINKS,
        ),
        ("twins by case", ".casefold())\n\n\ndef is_leftover", ")\n\n\ndef is_leftover"),
        ("settings of the tests", "if name in _TEST_SETTINGS or", "if", CHEATS),
    ),
    *guards(
        "salecli/adapters/archive.py",
        "tests/adapters/test_archive.py::test_limits_hold_while_reading",
        ("bytes of an archive", "if self._limit < 0:", "if False:"),
        ("entries of an archive", "if count > limits.entries:", "if False:"),
        ("bytes of a file", "if member.size > limits.file_bytes:", "if False:"),
        (
            "special files",
            "if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):",
            "if False:",
            "tests/adapters/test_archive.py::test_special_files_and_hard_links_are_refused",
        ),
        (
            "archives without an end",
            "if len(block) < _BLOCK:",
            "if False:",
            "tests/adapters/test_archive.py::test_broken_archives_are_refused_or_short",
        ),
        (
            "long names",
            "if member.size > _LONGEST:",
            "if False:",
            "tests/fuzz/test_archive.py::test_a_zip_bomb_of_names_is_refused",
        ),
        (
            "negative sizes",
            "if member.size < 0:",
            "if False:",
            "tests/fuzz/test_archive.py::test_a_negative_size_is_refused",
        ),
    ),
    *guards(
        "salecli/adapters/changes.py",
        "tests/adapters/test_archive.py::test_a_file_below_a_link_is_refused",
        (
            "the path policy",
            "reason = policy.refusal(path)\n    if not",
            'reason = ""\n    if not',
            BAD_NAMES,
        ),
        ("the policy of links", "if not reason and mode == LINK:", "if False:", BAD_LINKS),
        ("a file where a folder is", "for path in folders & after.keys():", "for path in ():"),
        ("twins", "if other != path and (path in fresh or other in fresh):", "if False:", BAD_NAMES),
        (
            "links that git reads",
            'if not reason and name in (".gitmodules"',
            'if False and name in (".gitmodules"',
            "tests/adapters/test_archive.py::test_a_link_inside_the_tree_is_flagged",
        ),
    ),
    *guards(
        "salecli/adapters/container.py",
        OPTIONS,
        ("no network", '"network_mode": "none"', '"network_mode": "bridge"'),
        ("a root that is only read", '"read_only": True', '"read_only": False'),
        ("no capabilities", '"cap_drop": ["ALL"]', '"cap_drop": []'),
        ("no new privileges", '"security_opt": ["no-new-privileges:true"]', '"security_opt": []'),
        ("bounded processes", '"pids_limit": limits.pids', '"pids_limit": 0'),
        (
            "bounded memory",
            '"mem_limit": limits.memory,\n        "memswap_limit": limits.memory',
            '"mem_limit": 0',
        ),
        ("no swap", '"memswap_limit": limits.memory', '"memswap_limit": -1'),
        ("no logs on the disk", 'LogConfig(type="none")', 'LogConfig(type="json-file")'),
        (
            "no proxy passwords",
            '"use_config_proxy": False',
            '"use_config_proxy": True',
            "tests/sandbox/test_escape.py::test_secrets_of_the_shell_and_of_the_docker_configuration_stay_out",
        ),
        ("the dead man's switch", '"stdin_open": True', '"stdin_open": False'),
        ("bounded files in shared memory", "size={shared},nr_inodes={files // 4}", "size={shared}"),
        (
            "bounded shared segments",
            '"kernel.shmall": str(shared // mmap.PAGESIZE)',
            '"kernel.shmall": "1000000"',
            "tests/sandbox/test_resources.py::test_segments_that_outlive_their_processes_are_bounded",
        ),
        (
            "a sweep of what is left",
            '_SWEEP = "kill -9 -1 2>/dev/null; exit 0"',
            '_SWEEP = "exit 0"',
            "tests/sandbox/test_resources.py::test_what_does_not_end_by_itself_is_ended",
        ),
    ),
    *guards(
        "salecli/adapters/exchange.py",
        "tests/sandbox/test_blame.py::test_an_engine_that_cannot_start_a_command_is_not_a_command_that_failed",
        ("the engine's words are not the command's", "None if frames.begun else", "None if True else"),
        (
            "a slow engine takes nothing of a command's time",
            "self.until = time.monotonic() + TO_BEGIN",
            "self.until = time.monotonic() + seconds",
            "tests/sandbox/test_engine.py::test_an_engine_that_is_slow_takes_nothing_of_a_commands_time",
        ),
    ),
    *guards(
        "salecli/adapters/docker.py",
        "tests/sandbox/test_tampering.py::test_the_diff_is_what_is_verified",
        (
            "want of memory counts for the command that had it",
            "self._container.out_of_memory(), b",
            "False, b",
            "tests/sandbox/test_resources.py::test_hogs_that_come_again_until_the_deadline",
        ),
        (
            "the original tests",
            "if policy.is_test(item.path) or self.decides(item.path):",
            "if False:",
            CHEATS,
        ),
        ("the diff is what is tested", "if patch.tree and patch.tree != tree:", "if False:"),
        ("the base is what was recorded", "if patch.base != base:", "if False:"),
    ),
    *guards(
        "salecli/adapters/testing.py",
        "tests/adapters/test_docker_reports.py::test_a_patch_may_not_lose_or_skip_a_case",
        ("cases that vanish", "if identity not in now:", "if False:"),
        (
            "cases that are skipped",
            'elif now[identity].outcome == "skipped" and case.outcome != "skipped":',
            "elif False:",
        ),
        (
            "exit codes better than their report",
            "if exit_code == 0 and (tests.failed or not cases):",
            "if False:",
            "tests/adapters/test_docker_reports.py::test_a_good_exit_code_with_failing_cases_is_not_green",
        ),
        (
            "reports with entities",
            'or b"<!DOCTYPE" in report or b"<!ENTITY" in report',
            "",
            "tests/adapters/test_docker_reports.py::test_reports_that_are_none_are_not_believed",
        ),
    ),
    *guards(
        "salecli/core/text.py",
        "tests/core/test_text.py::test_controls_become_visible",
        ("C0 controls", "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f", "[\\x00-\\x08\\x7f-\\x9f"),
        ("C1 controls", "\\x7f-\\x9f\\u061c", "\\x7f\\u061c"),
        ("bidirectional controls", "\\u202a-\\u202e", ""),
        ("lone surrogates", "\\ud800-\\udfff", ""),
        (
            "one line",
            "return text if newlines else _BREAKS.sub(_visible, text)",
            "return text",
            "tests/core/test_text.py::test_one_line_stays_one_line",
        ),
    ),
    *guards(
        "salecli/cli/output.py",
        "tests/cli/test_frame_output.py",
        (
            "cleaned results",
            'self._write(self._stdout, clean(text) + "\\n")',
            'self._write(self._stdout, text + "\\n")',
        ),
        ("a cleaned story", "        text = clean(text)\n        if self.live:", "        if self.live:"),
        (
            "escaped JSON",
            "escaped(line)",
            "line",
            "tests/e2e/test_hostile_text.py::test_a_memory_of_somebody_else",
        ),
    ),
    *guards(
        "salecli/adapters/wire.py",
        CHILD,
        ("frames of any size", "if length > self._largest:", "if False:"),
        (
            "frames nested without end",
            "except (ValueError, RecursionError) as error:",
            "except ValueError as error:",
        ),
        ("frames that are no object", "if not isinstance(message, dict):", "if False:"),
    ),
    *guards(
        "salecli/adapters/llama_child.py",
        CHILD,
        ("answers to another job", "(timeout := until - time.monotonic()) <= 0", "False"),
    ),
    *guards(
        "salecli/adapters/llama_worker.py",
        "tests/adapters/test_llama_children.py::test_a_process_may_take_its_memory_and_no_more",
        ("bounded memory of a model", "_bound(resource.RLIMIT_DATA, 2 *", "(2 *"),
        ("bounded files of a model", "_bound(resource.RLIMIT_FSIZE, PRINTED)", "pass"),
    ),
    *guards(
        "salecli/adapters/gguf_header.py",
        BROKEN,
        ("tensors beyond the file", "if wanted > size:", "if False:", "tests/adapters/test_llama_files.py"),
        (
            "figures that are none",
            "if not all(type(one) is int and 0 <= one < 1 << 31 for one in _listed(value)):",
            "if False:",
        ),
        ("a vocabulary that is none", "if not isinstance(tokens, list | _Counted):", "if False:"),
        (
            "headers without end",
            "if max(tensor_count, key_count) > _MOST_KEYS:",
            "if False:",
            "tests/adapters/test_llama_broken.py::test_counts_beyond_reason_are_not_counted_out",
        ),
    ),
    *guards(
        "salecli/adapters/interchange.py",
        "tests/fuzz/test_interchange.py",
        (
            "numbers that are none",
            "    elif isinstance(value, float) and not math.isfinite(value):",
            "    elif False:",
            "tests/adapters/test_sqlite_interchange.py",
        ),
        (
            "records nested without end",
            "except RecursionError as error:",
            "except ZeroDivisionError as error:",
        ),
        (
            "records that do not hold together",
            "        _consistent(auction)\n",
            "",
            "tests/adapters/test_sqlite_interchange.py::test_a_hostile_line_is_named_and_nothing_is_imported",
        ),
    ),
    *guards(
        "salecli/config.py",
        SETTINGS,
        ("sizes beyond numbers", "if not 1 <= amount < 2**63:", "if amount <= 0:"),
        (
            "what a repository may not set",
            "_check_strangers(part, partial(_where, document, above))",
            "pass",
            "tests/cli/test_frame_config.py",
        ),
    ),
    *guards(
        "salecli/toml.py",
        SETTINGS,
        (
            "names of thousands of parts",
            "if deep := _DEEP.search(text):",
            "if (deep := _DEEP.search(text)) and False:",
            "tests/fuzz/test_config.py::test_a_name_of_hundreds_of_parts_is_refused",
        ),
        (
            "files without end",
            "file.read(LARGEST + 1)",
            "file.read()",
            "tests/fuzz/test_config.py::test_a_file_without_end_is_not_read_to_its_end",
        ),
    ),
    *guards(
        "salecli/core/actions.py",
        "tests/fuzz/test_actions.py::test_a_reply_is_one_action_or_a_format_error",
        (
            "paths of actions",
            'if path.startswith(("/", "~")) or ".." in path.split("/") or "\\0" in path:',
            "if False:",
        ),
        (
            "long lines that are compared",
            " if len(first) <= _LONGEST else []",
            "",
            "tests/fuzz/test_actions.py::test_time_grows_with_the_file_and_the_passage",
        ),
    ),
    *guards(
        "salecli/adapters/journal.py",
        "tests/fuzz/test_events.py::test_any_journal_is_read_or_refused",
        (
            "journals nested without end",
            "except (ValueError, RecursionError) as error:",
            "except ValueError as error:",
        ),
        ("lines that are no event", "if not isinstance(record, dict):", "if False:"),
    ),
    *guards(
        "salecli/adapters/swap.py",
        f"{UNDO}::test_a_file_that_changes_while_the_new_ones_are_prepared_is_not_overwritten",
        ("files that changed meanwhile", "if on_disk(top, store, str(path), own) != wanted:", "if False:"),
        (
            "files that came meanwhile",
            "os.link(new, target, follow_symlinks=False)",
            "new.replace(target)",
            f"{UNDO}::test_a_file_that_appears_in_the_very_moment_is_not_overwritten",
        ),
    ),
    *guards(
        "salecli/adapters/backup.py",
        f"{UNDO}::test_only_one_applies_at_a_time",
        ("one apply at a time", "while not _taken(lock, common):", "while False:"),
        (
            "journals that came with a repository",
            "any(policy.refusal(path) for path in paths) or ",
            "",
            f"{UNDO}::test_a_journal_that_came_with_the_repository_is_not_believed",
        ),
    ),
    *guards(
        "salecli/adapters/undo.py",
        f"{UNDO}::test_what_the_user_changed_after_the_kill_is_left_alone",
        (
            "files changed since the kill",
            "left = [item for item, now in states if now not in (item.before, item.after)]",
            "left: list[Difference] = []",
        ),
    ),
    *guards(
        "salecli/cli/where.py",
        "tests/e2e/test_repositories.py::test_solve_finishes_it",
        ("what was cut short", "return recover(Repository(root))", "return []"),
    ),
)

"""The guards around models on servers."""

from __future__ import annotations

from tests.guard_table import Guard, guards

CONFIGURED = "tests/endpoints/test_configuration.py"
ANSWERS = "tests/endpoints/test_bad_answers.py"
OUT = f"{ANSWERS}::test_the_agent_is_out_and_the_auction_goes_on"
KEYS = "tests/endpoints/test_shapes.py::test_a_key_goes_to_the_server_and_nowhere_else"

ENDPOINTS: tuple[Guard, ...] = (
    *guards(
        "salecli/adapters/endpoint_line.py",
        OUT,
        ("redirects are not followed", "follow_redirects=False", "follow_redirects=True"),
        ("keys are in no repr", 'key: str = field(default="", repr=False)', 'key: str = ""', KEYS),
        (
            "a failing server is left alone",
            "if self._failed >= self.address.failures:",
            "if False:",
            f"{ANSWERS}::test_after_failures_in_a_row_a_server_is_left_alone_for_a_while",
        ),
        (
            "plain http is said",
            "if address.exposed:",
            "if False:",
            f"{ANSWERS}::test_plain_http_beyond_this_machine_is_said_once",
        ),
        (
            "no proxy on the way to this machine",
            "trust_env=not address.here",
            "trust_env=True",
            f"{ANSWERS}::test_a_proxy_sees_nothing_that_goes_to_this_machine",
        ),
    ),
    *guards(
        "salecli/adapters/endpoint_bytes.py",
        f"{ANSWERS}::test_an_answer_without_end_is_not_kept",
        ("answers without end", "if held > MOST:", "if False:"),
        (
            "answers that unfold",
            'if kind != "identity":',
            "if False:",
            f"{ANSWERS}::test_an_answer_that_was_not_to_be_compressed",
        ),
    ),
    *guards(
        "salecli/adapters/endpoint.py",
        f"{ANSWERS}::test_a_server_that_never_ends_is_cut_where_it_was_told_to",
        ("plans without end", 'if max(took, len(held)) > body["max_tokens"]:', "if False:"),
    ),
    *guards(
        "salecli/adapters/endpoint_faults.py",
        OUT,
        ("keys are in no message", 'text = text.replace(address.key, "***")', "pass"),
    ),
    *guards(
        "salecli/adapters/endpoint_run.py",
        f"{ANSWERS}::test_a_server_that_lies_about_usage_is_noted_and_not_believed",
        ("counts that cannot be true", "counts if self.told and honest else", "counts if self.told else"),
    ),
    *guards(
        "salecli/config.py",
        f"{CONFIGURED}::test_a_repository_names_no_server",
        ("servers are the user's own", '("models", "hour"), ("endpoints",), ', '("models", "hour"), '),
    ),
    *guards(
        "salecli/pool.py",
        f"{CONFIGURED}::test_a_pool_file_says_nothing_of_servers_and_keys",
        ("no addresses in pool files", "    _no_addresses(document.values, document.where)\n", ""),
        (
            "a bare name is no file",
            '("/" in name_or_path or name_or_path.endswith(".toml")) and path.is_file()',
            "path.is_file()",
            f"{CONFIGURED}::test_a_repository_chooses_no_pool_file_of_its_own",
        ),
    ),
    *guards(
        "salecli/checked.py",
        f"{CONFIGURED}::test_an_unknown_key_of_an_endpoint",
        ("secrets under a wrong name", 'if error["type"] == "extra_forbidden":', "if False:"),
    ),
)

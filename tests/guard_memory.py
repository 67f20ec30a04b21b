"""The guards of the memory file."""

from __future__ import annotations

from tests.guard_table import Guard, guards

WRITERS = "tests/adapters/test_sqlite_writers.py"
RESTORED = "tests/adapters/test_sqlite_restore.py"
BEGIN = f"{WRITERS}::test_a_transaction_has_the_file_from_its_beginning_and_is_flushed"

MEMORY: tuple[Guard, ...] = (
    *guards(
        "salecli/adapters/sqlitefile.py",
        "tests/adapters/test_sqlite_faults.py",
        (
            "damaged files",
            'connection.execute("PRAGMA quick_check(1)").fetchone()[0]',
            '"ok"',
            f"{RESTORED}::test_what_can_be_read_nowhere_is_named",
        ),
        ("transactions from their begin", 'execute("BEGIN IMMEDIATE")', 'execute("BEGIN")', BEGIN),
        ("commits that are flushed", "synchronous = FULL", "synchronous = NORMAL", BEGIN),
        (
            "locks that a look lets go",
            "None if _connections[_inode(path)] else head",
            "head",
            f"{WRITERS}::test_a_look_at_the_file_lets_go_of_no_lock",
        ),
        (
            "an empty memory with a copy",
            "if not magic and copy_of(path).exists():",
            "if False:",
            f"{RESTORED}::test_a_run_restores_from_the_copy_and_says_so",
        ),
    ),
    *guards(
        "salecli/adapters/restore.py",
        f"{RESTORED}::test_what_stood_in_the_wal_is_kept_and_not_read_into_the_new_file",
        (
            "alone with the file",
            "Place.CONNECTED, PATIENCE)",
            "Place.CONNECTED, PATIENCE, True)",
            f"{WRITERS}::test_the_file_is_not_replaced_while_it_is_in_use",
        ),
        ("the damaged file is kept", "aside = _set_aside(path)", "aside = None"),
        ("its -wal is not replayed", 'for end in ("-wal", "-shm"):', "for end in ():"),
    ),
    *guards(
        "salecli/adapters/checksums.py",
        f"{RESTORED}::test_a_flipped_letter_is_left_out_of_learning_named_and_brought_back",
        ("checksums of lessons", "row is not None and row[0] == of(row[1:])", "row is not None"),
        (
            "checksums of auctions",
            "row is not None and row[0] == of_auction(db, number)",
            "row is not None",
        ),
    ),
    *guards(
        "salecli/adapters/recall.py",
        f"{RESTORED}::test_a_flipped_vector_is_made_anew",
        ("checksums of vectors", " or checksum != checksums.of_vector(text, embedder, blob)", ""),
    ),
    *guards(
        "salecli/adapters/copies.py",
        f"{RESTORED}::test_the_copy_is_private_whole_and_renewed_when_it_is_old",
        ("a private copy", "0o600", "0o644"),
    ),
)

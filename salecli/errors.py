"""Everything that `sale` raises on purpose.

SaleError                 broken setup or bad input: a message and what to do next
├── UsageError            the command line or an input file is wrong
├── ConfigError           sale.toml, a pool file or a weight is wrong
├── RepositoryError       the repository cannot be used as it is
├── PatchRefused          what came out of a sandbox breaks the path policy, or does not apply
│   └── AppliedAlready    the files hold what the patch writes
├── MemoryFault           the memory file cannot be read or written
│   └── MemoryDamaged     it is not what was written
└── EnvironmentFault      something outside is missing or broken
    ├── ModelError        a model cannot be loaded, or its process ended
    │   ├── ContextFull   the prompt does not fit into the model's context
    │   └── ModelTimeout  a deadline passed while the model was working
    └── SandboxError      no engine, no image, or a container that went away
        ├── DockerGone    the Docker engine does not answer any more
        └── BrokenTests   a repository's tests cannot start in the sandbox
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from salecli.core.calls import Usage


class SaleError(Exception):
    """An expected failure: `message` says what is wrong and where, `hint` what to type next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(SaleError):
    """The command line or an input file is wrong."""


class ConfigError(SaleError):
    """sale.toml, a pool file or a weight is wrong."""


class RepositoryError(SaleError):
    """The repository cannot be used as it is."""

    @classmethod
    def none(cls, folder: object) -> RepositoryError:
        """That `folder` lies in no repository: the same words whoever finds out."""
        hint = "git init && git add -A && git commit -m start, or name one: --repo DIR"
        return cls(f"{folder} is not in a git repository", hint)


class PatchRefused(SaleError):
    """What came out of a sandbox breaks the path policy, or a patch does not apply."""


class AppliedAlready(PatchRefused):
    """The files hold what the patch writes."""


class MemoryFault(SaleError):
    """The memory file cannot be read or written."""


class MemoryDamaged(MemoryFault):
    """The memory file is not what was written; what can be saved of it can be restored."""


class EnvironmentFault(SaleError):
    """Something outside of `sale` is missing or broken."""


class ModelError(EnvironmentFault):
    """A model cannot be loaded, or its process ended."""

    usage: Usage | None = None
    """What the failed call had consumed, where that is known: it was paid for all the same."""


class ContextFull(ModelError):
    """The prompt does not fit into the model's context."""


class ModelTimeout(ModelError):
    """A deadline passed while the model was working."""


class SandboxError(EnvironmentFault):
    """No engine, no image, or a container that went away."""


class DockerGone(SandboxError):
    """The Docker engine does not answer any more: to ask it again is in vain."""


class BrokenTests(SandboxError):
    """A repository's tests cannot start in the sandbox: its setup is at fault, not the engine."""

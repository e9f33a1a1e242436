"""Every error that a user can meet, and nothing else.

    AriaDocsError
    ├── UsageError              wrong flags or arguments; exit status 2
    ├── BudgetError             the pages or frames asked for do not fit the model's window
    ├── StoreError              the database
    │   ├── StoreBusy           another process has the file open
    │   ├── SpoolError          a folder of finished parts, or one file of it
    │   └── QueryError          a user's SQL, or SQL that this tool does not allow
    ├── FileError               one file cannot be read; the others are
    │   ├── Unreachable         gone, a dangling link, no permission, no plain file
    │   ├── WrongKind           the name says PDF or video, the content does not
    │   ├── Encrypted           no password fits
    │   ├── Damaged             the container or one page of it cannot be parsed
    │   └── NoVideoStream       audio only, or nothing but a cover picture
    ├── EngineError             the engine asked for cannot run here
    ├── ModelError              the model could not be run on one part; the others are
    │   └── Refused             a server will not answer a request, however often it is asked
    └── SandboxError            the child process that parsed a part did not live to answer
        ├── TimedOut
        ├── OutOfMemory
        └── Crashed

A message is one sentence that names the value and the way out. `retryable` says whether the same bytes may be
read well another time: then the next run tries again by itself.
"""


class AriaDocsError(Exception):
    """The root: the command line prints it as one line, without a traceback."""

    retryable = False


class UsageError(AriaDocsError):
    """Wrong flags or arguments."""


class BudgetError(AriaDocsError):
    """More tokens than the window holds; the message names tokens, limit and the ways out."""


class StoreError(AriaDocsError):
    """The database cannot be opened, read or written."""


class StoreBusy(StoreError):
    """Another process has the database open in a way that excludes this one."""

    retryable = True


class SpoolError(StoreError):
    """A spool's folder or one of its files cannot be read or written, or is something else."""


class QueryError(StoreError):
    """A query that DuckDB rejects, or that would do more than read."""


class FileError(AriaDocsError):
    """One file cannot be read."""


class Unreachable(FileError):
    """The file cannot be opened at all: gone, a dangling link, no permission, not a plain file."""

    retryable = True


class WrongKind(FileError):
    """The name promises a PDF or a video and the content is something else."""


class Encrypted(FileError):
    """A PDF that none of the given passwords opens."""


class Damaged(FileError):
    """Bytes that no parser here makes sense of."""


class NoVideoStream(FileError):
    """A container without moving pictures."""


class EngineError(AriaDocsError):
    """The engine asked for cannot run on this machine, or not with these options."""


class ModelError(AriaDocsError):
    """The model could not be run on a part: no memory left, or a server that does not answer."""

    retryable = True


class Refused(ModelError):
    """A server that takes the request for wrong: too long, too many pictures, no such model, no right to ask."""

    retryable = False


class SandboxError(AriaDocsError):
    """A child process ended without an answer."""


class TimedOut(SandboxError):
    """The child used more CPU time than a part may take, or stood still for long, and was killed. On a machine that is
    less busy the same bytes may be read."""

    retryable = True


class OutOfMemory(SandboxError):
    """The child reached its memory limit."""

    retryable = True


class Crashed(SandboxError):
    """The child died of a signal or of a failure inside a native library."""

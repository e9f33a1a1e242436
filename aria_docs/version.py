"""The version of this package, and those of libraries as a recipe has them. A leaf, so that any room may name it."""

__version__ = "0.2.0"


def minor(package: str) -> str:
    """`av-15.1` of PyAV 15.1.3: a patch release changes no answer. Raises PackageNotFoundError."""
    from importlib import metadata  # 20 ms that `aria-docs --version` can do without

    release = metadata.version(package).partition("+")[0]
    return f"{package}-{'.'.join(release.split('.')[:2])}"

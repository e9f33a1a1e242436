"""WHEN AND HOW OFTEN: Prefect flows over the run. Prefect is imported only below this folder.

files.py      one task per file, and the flow behind `aria-docs run --prefect`
documents.py  the flow for PDFs
videos.py     the flow for videos
shards.py     the flows for many machines: a share each, a spool, a loader
schedule.py   serves both by the clock
server.py     the Prefect server that is configured, or one of our own
"""

import importlib.util
import os

from aria_docs.errors import UsageError

if importlib.util.find_spec("prefect") is None:
    raise UsageError("Prefect is not installed here: pip install 'aria-docs[flows]'")

# Read by Prefect when it is imported; a value set by the user stays. Nothing phones home. What the runs
# log stands in the Prefect UI: on the console it would drown our own lines, so only breakdowns come through there.
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")

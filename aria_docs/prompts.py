"""The questions we ask of a model, and their version: raise it whenever a word changes, so that a next run reads again.

The scene question is that of Aria's official examples.
"""

VERSION = "1"

TABLES = (
    "Extract every table on this page with all of its rows and columns, exactly as printed: for each cell its row and "
    "column, how many rows and columns it spans, whether it is a header, and its text."
)
SUMMARY = (
    "Summarise this document: its title, its language, a summary of a few sentences, and its key points, each with the "
    "page it stands on."
)
SCENES = (
    "Please split this video into scenes, providing start time, end time, a title and detailed descriptions for each "
    "scene."
)

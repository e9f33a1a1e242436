"""The questions we ask of a model, and their version: raise it whenever a word changes, so that a next run reads again.

The scene question is that of Aria's official examples. The form of an answer is the JSON schema that it is decoded by.
"""

VERSION = "1"
FRAMES = "2"
"""Version of how the frames of a video are chosen and labelled (`reading/show.py`): a part of the recipe of scenes,
which lie on those labels, and not of summaries, whose recipe is that of documents too."""

TABLES = (
    "Extract every table on this page with all of its rows and columns, exactly as printed. For each table give its "
    "caption if it has one, its bounding box, how many of its rows are header rows, its rows as lists of cell texts, "
    "an empty text for an empty cell, and the cells that span more than one row or column."
)
SUMMARY = (
    "Summarise this document: its title, its language, a summary of a few sentences, and its key points, each with the "
    "page it stands on."
)
SCENES = (
    "Please split this video into scenes, providing start time, end time, a title and detailed descriptions for each "
    "scene."
)
VIDEO_SUMMARY = (
    "Summarise this video: a title, the language spoken or written in it, a summary of a few sentences, and its key "
    "points, each with the time at which it is shown or said."
)

# Of a user's own schema: one of these, then its docstring and its fields with their descriptions.
CUSTOM_DOCUMENT = (
    "Fill in the form below from this document. Copy texts as they are printed; answer null, or an empty list, where "
    "the document does not say."
)
CUSTOM_PAGE = (
    "Fill in the form below from this page. Copy texts as they are printed; answer null, or an empty list, where the "
    "page does not say."
)
CUSTOM_VIDEO = (
    "Find every segment of this video that the form below describes, in order. For each give the times at which it "
    "starts and ends, as in the labels of the frames, and fill in the form; answer null, or an empty list, where the "
    "video does not say."
)

# Behind a question whose answer was cut off, or did not fit its form, when it is asked once more.
AGAIN = "Give the whole answer in its form: repeat nothing, add nothing, and close every list."

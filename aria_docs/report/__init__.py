"""The HTML report: a folder of static pages that show what a database holds, opened from disk with no network."""

"""From corrected rows to an adapted model: the data layout, the export, training and scoring. No torch here."""

"""WORDS AND LINES OF A PAGE → TABLES. Pure, but for the candidates that PyMuPDF's layout network proposes."""

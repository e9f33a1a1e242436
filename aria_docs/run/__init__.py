"""WHAT IS READ, AND WHEN: the parent process of a run."""

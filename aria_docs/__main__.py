"""`python -m aria_docs` is `aria-docs`."""

from aria_docs.cli import main

main()

"""`python -m abaft.cli`: the command without its script."""

from abaft.cli import main

main()

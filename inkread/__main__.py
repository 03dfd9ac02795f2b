"""`python -m inkread` runs the same program as `inkread`."""

from inkread.cli import main

main()

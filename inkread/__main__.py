"""`python -m inkread` is `inkread`."""

from inkread.cli.main import main

main()

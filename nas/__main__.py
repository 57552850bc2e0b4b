"""`python -m nas` is the program `nas`."""

from nas.cli import main

main()

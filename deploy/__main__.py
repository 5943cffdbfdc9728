"""`python -m deploy` is the command line."""

from deploy.cli import main

main()

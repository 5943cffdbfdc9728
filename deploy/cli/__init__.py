"""The command line: `watchword`."""

from deploy.cli.app import main

__all__ = ["main"]

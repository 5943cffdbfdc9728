"""How the parts are put together and run: command line, settings, composition."""

__version__ = "0.1.0"

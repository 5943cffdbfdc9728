"""The configuration of `watchword serve`: one YAML file and the environment, checked and frozen."""

from deploy.settings.load import DEFAULT_FILE, load_settings
from deploy.settings.settings import Settings

__all__ = ["DEFAULT_FILE", "Settings", "load_settings"]

"""The whole configuration."""

from pathlib import Path
from typing import Literal

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from deploy.settings.cameras import CamerasSettings
from deploy.settings.kafka import KafkaSettings
from deploy.settings.queries import QueriesSettings
from deploy.settings.running import (
    DeliverySettings,
    EncoderSettings,
    GroundingSettings,
    NetworkSettings,
    SecretsSettings,
    StoreSettings,
)
from deploy.settings.section import FilePath, Section
from deploy.settings.server import ServerSettings
from deploy.settings.storage import StorageSettings
from encoder.bundle import DEFAULT_BUNDLE

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]


class LogSettings(Section):
    """What is told on standard error."""

    format: LogFormat = "text"
    level: LogLevel = "info"


class Settings(BaseSettings):
    """Everything `watchword serve` can be told; `load_settings` reads it."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=False
    )

    data_folder: FilePath = Path("watchword-data")
    bundle: str = DEFAULT_BUNDLE
    server: ServerSettings = ServerSettings()
    store: StoreSettings = StoreSettings()
    storage: StorageSettings = StorageSettings()
    secrets: SecretsSettings = SecretsSettings()
    cameras: CamerasSettings = CamerasSettings()
    queries: QueriesSettings = QueriesSettings()
    encoder: EncoderSettings = EncoderSettings()
    grounding: GroundingSettings = GroundingSettings()
    delivery: DeliverySettings = DeliverySettings()
    network: NetworkSettings = NetworkSettings()
    log: LogSettings = LogSettings()
    kafka: KafkaSettings = KafkaSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what it is given: nothing of the folder or environment it happens to run in."""
        return (init_settings,)

    @property
    def store_url(self) -> str:
        """SQLAlchemy's address of the store; may hold a password."""
        return self.store.url.get_secret_value() or f"sqlite:///{self.data_folder / 'watchword.db'}"

    @property
    def key_file(self) -> Path:
        """The key that seals secrets in the store."""
        named = self.secrets.key_file
        return Path(named).expanduser() if named else self.data_folder / "secret.key"

    def file_roots(self, started_in: Path) -> tuple[Path, ...]:
        """Below which folders a camera added over HTTP may be a file."""
        if self.cameras.file_roots is not None:
            return self.cameras.file_roots
        return (started_in,) if self.server.on_loopback else ()

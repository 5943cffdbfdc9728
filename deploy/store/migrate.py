"""Brings a database to the shape this version works with."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from deploy.errors import StoreForeignError, StoreNewerError
from deploy.store.database import Database

MIGRATIONS = Path(__file__).with_name("migrations")
VERSION_TABLE = "alembic_version"


def migrate(database: Database, revision: str = "head") -> None:
    """Migrate to a revision, all the way or not at all.

    The database must not check foreign keys meanwhile: SQLite changes a table by dropping it.

    Raises:
        StoreNewerError: a newer version wrote it.
        StoreForeignError: it holds tables of something else.
    """
    with database.write() as connection:
        config = _config()
        scripts = ScriptDirectory.from_config(config)
        current = MigrationContext.configure(connection).get_current_revision()
        target = scripts.get_revision(revision) if revision != "base" else None
        if current is None:
            _check_empty(connection, database.name)
        else:
            _check_known(scripts, current, database.name)
        if current == (target.revision if target else None):
            return
        config.attributes["connection"] = connection
        if _is_ahead(scripts, current, target.revision if target else None):
            command.downgrade(config, revision)
        else:
            command.upgrade(config, revision)


def _config() -> Config:
    config = Config()  # of no file: alembic then leaves logging alone
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _check_empty(connection: sa.Connection, name: str) -> None:
    if tables := set(sa.inspect(connection).get_table_names()) - {VERSION_TABLE}:
        raise StoreForeignError(
            f"The database {name} belongs to another program (it has a table "
            f"{sorted(tables)[0]!r}): give Watchword a store.url of its own."
        )


def _check_known(scripts: ScriptDirectory, current: str, name: str) -> None:
    try:
        scripts.get_revision(current)
    except CommandError as error:
        raise StoreNewerError(
            f"The database {name} was written by a newer Watchword (its revision is {current}, "
            f"this version knows up to {scripts.get_current_head()}): install that version "
            "again, restore a backup from before it, or set another store.url."
        ) from error


def _is_ahead(scripts: ScriptDirectory, current: str | None, target: str | None) -> bool:
    newest_first: list[str | None] = [script.revision for script in scripts.walk_revisions()]
    order = [*newest_first, None]
    return order.index(current) < order.index(target)

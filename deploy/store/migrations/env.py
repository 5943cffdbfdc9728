"""What alembic runs to migrate: the caller's connection, in the caller's transaction."""

from alembic import context

from deploy.store.schema import metadata


def migrate() -> None:
    """Run the migrations that were asked for."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        render_as_batch=True,  # SQLite changes a table by writing it anew
    )
    with context.begin_transaction():
        context.run_migrations()


if __name__ == "env_py":  # the name alembic runs it under; imported otherwise, it does nothing
    migrate()

"""Cameras, queries, silences and subscriptions, with the outbox and the audit."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")
ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "meta",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_meta"),
    )
    for name, column in (("cameras", "camera_id"), ("queries", "query_id")):
        op.create_table(
            name, *_entity(name, column), sa.Column("declared", sa.Boolean, nullable=False)
        )
        op.create_index(f"ix_{name}_declared", name, ["declared"])
    op.create_table(
        "query_versions",
        sa.Column("query_id", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("query_id", "version", name="pk_query_versions"),
    )
    op.create_table(
        "silences",
        *_entity("silences", "silence_id"),
        sa.Column("starts_at", sa.Double, nullable=False),
        sa.Column("ends_at", sa.Double, nullable=False),
    )
    op.create_index("ix_silences_ends_at", "silences", ["ends_at"])
    op.create_table(
        "subscriptions",
        *_entity("subscriptions", "subscription_id"),
        sa.Column("active", sa.Boolean, nullable=False),
    )
    _make_outbox()
    _make_audit()


def downgrade() -> None:
    """Drop them."""
    for name in (
        "audit",
        "outbox",
        "subscriptions",
        "silences",
        "query_versions",
        "queries",
        "cameras",
        "meta",
    ):
        op.drop_table(name)


def _entity(
    table: str, column: str
) -> tuple[sa.Column[str], sa.Column[int], sa.Column[str], sa.PrimaryKeyConstraint]:
    return (
        sa.Column(column, ID, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint(column, name=f"pk_{table}"),
    )


def _make_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("outbox_id", SERIAL, nullable=False, autoincrement=True),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("value", sa.LargeBinary),
        sa.Column("published_at", sa.Double),
        sa.PrimaryKeyConstraint("outbox_id", name="pk_outbox"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_published_at_outbox_id", "outbox", ["published_at", "outbox_id"])


def _make_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("audit_id", SERIAL, nullable=False, autoincrement=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("entity_id", sa.Text, nullable=False),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text),
        sa.PrimaryKeyConstraint("audit_id", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_at", "audit", ["at"])

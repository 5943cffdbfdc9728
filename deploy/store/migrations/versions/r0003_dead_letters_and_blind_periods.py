"""Dead letters and blind periods."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "dead_letters",
        sa.Column("sequence", SERIAL, nullable=False, autoincrement=True),
        sa.Column("letter_id", sa.Text, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("offset", sa.BigInteger, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("kept", sa.Boolean, nullable=False),
        sa.Column("kept_bytes", sa.BigInteger, nullable=False),
        sa.Column("arrived_at", sa.Double, nullable=False),
        sa.Column("replayed_at", sa.Double),
        sa.Column("headers", sa.LargeBinary, nullable=False),
        sa.Column("value", sa.LargeBinary),
        sa.PrimaryKeyConstraint("sequence", name="pk_dead_letters"),
        sa.UniqueConstraint("letter_id", name="uq_dead_letters_letter_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "blind_periods",
        sa.Column("period_id", SERIAL, nullable=False, autoincrement=True),
        sa.Column("camera_id", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("queries", sa.Text, nullable=False),
        sa.Column("start", sa.Double, nullable=False),
        sa.Column("end", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("period_id", name="pk_blind_periods"),
        sqlite_autoincrement=True,
    )
    for table, columns in (
        ("dead_letters", ["arrived_at"]),
        ("blind_periods", ["end"]),
        ("blind_periods", ["camera_id", "reason", "scope", "end"]),
        ("blind_periods", ["camera_id", "start"]),
        ("blind_periods", ["start", "period_id"]),
    ):
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns)


def downgrade() -> None:
    """Drop them."""
    for name in ("blind_periods", "dead_letters"):
        op.drop_table(name)

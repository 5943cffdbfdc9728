"""Alerts, their events and deliveries."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _make_alerts()
    _make_events()
    _make_deliveries()
    _make_indexes()


def downgrade() -> None:
    """Drop them."""
    for name in ("deliveries", "alert_events", "alerts"):
        op.drop_table(name)


def _make_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.Text, nullable=False),
        sa.Column("opening", sa.BigInteger, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("query_id", sa.Text, nullable=False),
        sa.Column("camera_id", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("start", sa.Double, nullable=False),
        sa.Column("end", sa.Double, nullable=False),
        sa.Column("seen_at_opening", sa.Double, nullable=False),
        sa.Column("opened_at", sa.Double, nullable=False),
        sa.Column("suppressed", sa.Text),
        sa.Column("suppressed_by", sa.Text, nullable=False),
        sa.Column("acknowledged_at", sa.Double),
        sa.Column("acknowledged_by", sa.Text, nullable=False),
        sa.Column("feedback", sa.Text),
        sa.Column("alert", sa.Text, nullable=False),
        sa.Column("tracked", sa.LargeBinary),
        sa.PrimaryKeyConstraint("alert_id", name="pk_alerts"),
        sa.UniqueConstraint("opening", name="uq_alerts_opening"),
    )


def _make_events() -> None:
    op.create_table(
        "alert_events",
        sa.Column("sequence", SERIAL, nullable=False, autoincrement=True),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("alert_id", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("suppressed", sa.Text),
        sa.Column("alert", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_alert_events"),
        sa.UniqueConstraint("event_id", name="uq_alert_events_event_id"),
        sa.ForeignKeyConstraint(
            ["alert_id"],
            ["alerts.alert_id"],
            name="fk_alert_events_alert_id",
            ondelete="CASCADE",
            deferrable=True,
            initially="DEFERRED",
        ),
        sqlite_autoincrement=True,
    )


def _make_deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("delivery_id", SERIAL, nullable=False, autoincrement=True),
        sa.Column("subscription_id", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("alert_id", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("seen_until", sa.Double, nullable=False),
        sa.Column("start", sa.Double, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("first_at", sa.Double, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("claims", sa.Integer, nullable=False),
        sa.Column("leased_until", sa.Double),
        sa.Column("outcome", sa.Text),
        sa.Column("settled_at", sa.Double),
        sa.Column("why", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_deliveries"),
        sa.UniqueConstraint("subscription_id", "event_id", name="uq_deliveries_subscription_id"),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscriptions.subscription_id"],
            name="fk_deliveries_subscription_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["alert_id"],
            ["alerts.alert_id"],
            name="fk_deliveries_alert_id",
            ondelete="CASCADE",
            deferrable=True,
            initially="DEFERRED",
        ),
        sqlite_autoincrement=True,
    )


def _make_indexes() -> None:
    for table, columns in (
        ("alerts", ["start"]),
        ("alerts", ["query_id", "camera_id", "opening"]),
        ("alerts", ["query_id", "opening"]),
        ("alerts", ["camera_id", "opening"]),
        ("alerts", ["state", "opening"]),
        ("alerts", ["severity", "opening"]),
        ("alerts", ["state", "end"]),
        ("alert_events", ["alert_id"]),
        ("deliveries", ["alert_id"]),
        ("deliveries", ["outcome", "subscription_id", "delivery_id"]),
        ("deliveries", ["settled_at"]),
    ):
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns)

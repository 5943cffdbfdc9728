"""The tables. Entities are kept as JSON, with columns beside it for what is looked up.

A change here needs a migration in `migrations/versions`; a test compares the two.
Times are UTC seconds.
"""

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)

# SQLite numbers rows by itself only for a primary key declared INTEGER, which holds 64 bits there
Serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# Ids are paged through in the same order everywhere, whatever language a server sorts in
Id = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _serial(name: str) -> sa.Column[int]:
    return sa.Column(name, Serial, primary_key=True, autoincrement=True)


def _entity(id_name: str) -> tuple[sa.Column[str], sa.Column[int], sa.Column[str]]:
    return (
        sa.Column(id_name, Id, primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
    )


meta = sa.Table(
    "meta",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

cameras = sa.Table(
    "cameras",
    metadata,
    *_entity("camera_id"),
    sa.Column("declared", sa.Boolean, nullable=False, index=True),
)

queries = sa.Table(
    "queries",
    metadata,
    *_entity("query_id"),
    sa.Column("declared", sa.Boolean, nullable=False, index=True),
)

query_versions = sa.Table(  # outlives its query: alerts name the version that opened them
    "query_versions",
    metadata,
    sa.Column("query_id", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("record", sa.Text, nullable=False),
)

silences = sa.Table(
    "silences",
    metadata,
    *_entity("silence_id"),
    sa.Column("starts_at", sa.Double, nullable=False),
    sa.Column("ends_at", sa.Double, nullable=False, index=True),
)

subscriptions = sa.Table(
    "subscriptions",
    metadata,
    *_entity("subscription_id"),
    sa.Column("active", sa.Boolean, nullable=False),  # neither paused nor disabled
)

outbox = sa.Table(
    "outbox",
    metadata,
    _serial("outbox_id"),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("value", sa.LargeBinary),  # NULL: the entity was removed
    sa.Column("published_at", sa.Double),
    sa.Index(None, "published_at", "outbox_id"),
    sqlite_autoincrement=True,
)

audit = sa.Table(
    "audit",
    metadata,
    _serial("audit_id"),
    sa.Column("at", sa.Double, nullable=False, index=True),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("entity_id", sa.Text, nullable=False),
    sa.Column("before", sa.Text),
    sa.Column("after", sa.Text),
    sqlite_autoincrement=True,
)

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("alert_id", sa.Text, primary_key=True),
    sa.Column("opening", sa.BigInteger, nullable=False, unique=True),  # its first event
    sa.Column("sequence", sa.BigInteger, nullable=False),  # its newest event
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("query_id", sa.Text, nullable=False),
    sa.Column("camera_id", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("start", sa.Double, nullable=False, index=True),
    sa.Column("end", sa.Double, nullable=False),
    sa.Column("seen_at_opening", sa.Double, nullable=False),  # `at` of its first event
    sa.Column("opened_at", sa.Double, nullable=False),
    sa.Column("suppressed", sa.Text),
    sa.Column("suppressed_by", sa.Text, nullable=False),
    sa.Column("acknowledged_at", sa.Double),
    sa.Column("acknowledged_by", sa.Text, nullable=False),
    sa.Column("feedback", sa.Text),
    sa.Column("alert", sa.Text, nullable=False),
    sa.Column("tracked", sa.LargeBinary),  # the tracker's state while it is not closed
    sa.Index(None, "query_id", "camera_id", "opening"),
    sa.Index(None, "query_id", "opening"),
    sa.Index(None, "camera_id", "opening"),
    sa.Index(None, "state", "opening"),
    sa.Index(None, "severity", "opening"),
    sa.Index(None, "state", "end"),
)

alert_events = sa.Table(
    "alert_events",
    metadata,
    _serial("sequence"),
    sa.Column("event_id", sa.Text, nullable=False, unique=True),
    sa.Column(
        "alert_id",
        sa.Text,
        # Checked at the end: the alert's row names its event, so the event comes first
        sa.ForeignKey("alerts.alert_id", ondelete="CASCADE", deferrable=True, initially="DEFERRED"),
        nullable=False,
        index=True,
    ),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("suppressed", sa.Text),
    sa.Column("alert", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    _serial("delivery_id"),
    sa.Column(
        "subscription_id",
        sa.Text,
        sa.ForeignKey("subscriptions.subscription_id", ondelete="CASCADE"),
        nullable=False,
    ),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column(  # NULL: a test message
        "alert_id",
        sa.Text,
        sa.ForeignKey("alerts.alert_id", ondelete="CASCADE", deferrable=True, initially="DEFERRED"),
        index=True,
    ),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("seen_until", sa.Double, nullable=False),
    sa.Column("start", sa.Double, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("first_at", sa.Double, nullable=False),
    sa.Column("due_at", sa.Double, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),  # that failed
    sa.Column("claims", sa.Integer, nullable=False),  # so far
    sa.Column("leased_until", sa.Double),
    sa.Column("outcome", sa.Text),  # sent, failed; NULL while it waits or is in flight
    sa.Column("settled_at", sa.Double),
    sa.Column("why", sa.Text, nullable=False),  # it failed, the last time
    sa.UniqueConstraint("subscription_id", "event_id"),
    sa.Index(None, "outcome", "subscription_id", "delivery_id"),
    sa.Index(None, "settled_at"),
    sqlite_autoincrement=True,
)

dead_letters = sa.Table(
    "dead_letters",
    metadata,
    _serial("sequence"),
    sa.Column("letter_id", sa.Text, nullable=False, unique=True),  # made of where the record lay
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
    sa.Column("arrived_at", sa.Double, nullable=False, index=True),
    sa.Column("replayed_at", sa.Double),
    # Last: SQLite reads through what is large to get at what stands behind it
    sa.Column("headers", sa.LargeBinary, nullable=False),  # MessagePack
    sa.Column("value", sa.LargeBinary),
    sqlite_autoincrement=True,
)

blind_periods = sa.Table(
    "blind_periods",
    metadata,
    _serial("period_id"),
    sa.Column("camera_id", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("scope", sa.Text, nullable=False),  # a hash of `queries`, which may be long
    sa.Column("queries", sa.Text, nullable=False),  # JSON
    sa.Column("start", sa.Double, nullable=False),
    sa.Column("end", sa.Double, nullable=False, index=True),
    sa.Index(None, "camera_id", "reason", "scope", "end"),
    sa.Index(None, "camera_id", "start"),
    sa.Index(None, "start", "period_id"),
    sqlite_autoincrement=True,
)

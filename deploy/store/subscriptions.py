"""Subscriptions; their secrets lie sealed in the database."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from deploy.store.audit import Audit
from deploy.store.bell import Bell
from deploy.store.database import Database
from deploy.store.entities import Entities, Kind
from deploy.store.outbox import Outbox
from deploy.store.schema import subscriptions
from deploy.vault import Vault
from grounding.alert_subscription import AlertSubscription
from streamer.address import redact


class Subscriptions:
    """A `grounding.stores.SubscriptionStore`; `bell` rings when one may want something now."""

    def __init__(self, rows: Entities[AlertSubscription], vault: Vault, bell: Bell) -> None:
        self.rows = rows  # with sealed secrets
        self._vault = vault
        self._bell = bell

    def add(self, subscription: AlertSubscription, by: str) -> AlertSubscription:
        """See `SubscriptionStore.add`."""
        return self.opened(self.rows.add(self._sealed(subscription), by))

    def get(self, subscription_id: str) -> AlertSubscription:
        """See `SubscriptionStore.get`."""
        return self.opened(self.rows.get(subscription_id))

    def page(self, after: str, limit: int) -> Sequence[AlertSubscription]:
        """See `SubscriptionStore.page`."""
        return [self.opened(sealed) for sealed in self.rows.page(after, limit)]

    def replace(self, subscription: AlertSubscription, by: str) -> AlertSubscription:
        """See `SubscriptionStore.replace`."""
        stored = self.opened(self.rows.replace(self._sealed(subscription), by))
        self._bell.ring()
        return stored

    def remove(self, subscription_id: str, by: str) -> None:
        """See `SubscriptionStore.remove`."""
        self.rows.remove(subscription_id, by)

    def active(self, connection: sa.Connection) -> list[AlertSubscription]:
        """Those that are neither paused nor disabled, with sealed secrets."""
        return self.rows.matching(connection, subscriptions.c.active)

    def opened(self, sealed: AlertSubscription) -> AlertSubscription:
        """The subscription with its secret readable."""
        return msgspec.structs.replace(sealed, secret=self._vault.unseal(sealed.secret))

    def _sealed(self, subscription: AlertSubscription) -> AlertSubscription:
        return msgspec.structs.replace(subscription, secret=self._vault.seal(subscription.secret))


def subscription_rows(
    database: Database, outbox: Outbox, audit: Audit
) -> Entities[AlertSubscription]:
    """The rows of subscriptions; the secret of a record is sealed there."""
    return Entities(database, _KIND, outbox, audit)


def _shown(subscription: AlertSubscription) -> Mapping[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(subscription)
    del fields["secret"]
    return fields | {"url": redact(subscription.url)}


_KIND = Kind(
    name="subscription",
    table=subscriptions,
    record=AlertSubscription,
    topic=None,  # only the deliverers, who read the store, ask for them
    columns=lambda one: {"active": not (one.paused or one.disabled_reason)},
    shown=_shown,
)

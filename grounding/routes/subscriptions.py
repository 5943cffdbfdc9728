"""`/v1/subscriptions`: who is told of alerts."""

import base64
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Response

from grounding.alert_subscription import AlertSubscription
from grounding.delivery.outcome import DeliveryOutcome
from grounding.routes import subscription_bodies as bodies
from grounding.routes.scope import check_cameras, check_queries
from grounding.stores import QueryStore, SubscriptionStore
from streamer.caller import Caller
from streamer.camera_store import CameraStore
from streamer.entity_id import ENTITY_ID, make_id
from streamer.paging import DEFAULT_LIMIT, Cursor, Limit, cut_page, unpack_cursor
from streamer.problem import problems
from streamer.revision import CREATED, WITH_ETAG, IfMatch, change_entity, etag, require_match
from streamer.shape import patched

SubscriptionPath = Annotated[str, Path(pattern=ENTITY_ID, description="The subscription's id.")]


@dataclass(frozen=True, slots=True)
class SubscriptionRouteParts:
    """What the routes ask of others.

    `check_webhook` raises for a URL that may not be called, `test_delivery` sends a test message
    to the subscription of an id.
    """

    store: SubscriptionStore
    queries: QueryStore
    cameras: CameraStore
    check_webhook: Callable[[str], None]
    test_delivery: Callable[[str], DeliveryOutcome]

    def check(self, request: bodies.SubscriptionRequest | bodies.SubscriptionChange) -> None:
        """Raise for a URL that may not be called, and for queries and cameras there are not."""
        check_queries(request.queries or (), self.queries)
        check_cameras(request.cameras or (), self.cameras)
        if request.url is not None:
            self.check_webhook(request.url)


def make_secret() -> str:
    """A new secret, of 32 random bytes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def subscription_routes(parts: SubscriptionRouteParts) -> APIRouter:
    """The routes of subscriptions."""
    routes = APIRouter(prefix="/v1/subscriptions", tags=["subscriptions"])
    _add_reading(routes, parts.store)
    _add_creating(routes, parts)
    _add_changing(routes, parts)
    _add_removing(routes, parts.store)
    return routes


def _add_reading(routes: APIRouter, store: SubscriptionStore) -> None:
    @routes.get(
        "",
        operation_id="list_subscriptions",
        summary="List the subscriptions",
        responses=problems(422),
    )
    def list_subscriptions(
        limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
    ) -> bodies.SubscriptionPage:
        rows = store.page(unpack_cursor(cursor), limit + 1)
        page, following = cut_page(rows, limit, lambda one: one.subscription_id)
        return bodies.SubscriptionPage(items=[bodies.reply(one) for one in page], next=following)

    @routes.get(
        "/{subscription_id}",
        operation_id="get_subscription",
        summary="Show a subscription",
        responses={200: WITH_ETAG, **problems(404, 422)},
    )
    def get_subscription(
        subscription_id: SubscriptionPath, response: Response
    ) -> bodies.SubscriptionReply:
        return _tell(store.get(subscription_id), response)


def _add_creating(routes: APIRouter, parts: SubscriptionRouteParts) -> None:
    @routes.post(
        "",
        status_code=201,
        operation_id="add_subscription",
        summary="Have a webhook told of alerts",
        responses={201: CREATED, **problems(400, 413, 422, 507)},
    )
    def add_subscription(
        asked: bodies.SubscriptionRequest, by: Caller, response: Response
    ) -> bodies.SubscriptionCreated:
        parts.check(asked)
        new = AlertSubscription(subscription_id=make_id(), url=asked.url, secret=make_secret())
        added = parts.store.add(bodies.apply(new, asked), by)
        response.headers["Location"] = f"{routes.prefix}/{added.subscription_id}"
        response.headers["ETag"] = etag(added.revision)
        response.headers["Cache-Control"] = "no-store"
        return bodies.created(added)

    @routes.post(
        "/{subscription_id}:test",
        operation_id="test_subscription",
        summary="Send a test message now",
        responses=problems(404, 422, 507),
    )
    def test_subscription(subscription_id: SubscriptionPath) -> bodies.TestReply:
        parts.store.get(subscription_id)
        return bodies.tested(parts.test_delivery(subscription_id))


def _add_changing(routes: APIRouter, parts: SubscriptionRouteParts) -> None:
    store = parts.store

    @routes.patch(
        "/{subscription_id}",
        operation_id="change_subscription",
        summary="Change what is named of a subscription",
        responses={200: WITH_ETAG, **problems(400, 404, 412, 413, 422, 507)},
    )
    def change_subscription(
        subscription_id: SubscriptionPath,
        change: bodies.SubscriptionChange,
        by: Caller,
        response: Response,
        if_match: IfMatch = None,
    ) -> bodies.SubscriptionReply:
        parts.check(change)
        changed = change_entity(
            lambda: store.get(subscription_id),
            lambda subscription: _changed(subscription, change),
            lambda subscription: store.replace(subscription, by),
            if_match,
        )
        return _tell(changed, response)


def _add_removing(routes: APIRouter, store: SubscriptionStore) -> None:
    @routes.delete(
        "/{subscription_id}",
        status_code=204,
        operation_id="remove_subscription",
        summary="Tell a webhook no more",
        responses=problems(404, 412, 422, 507),
    )
    def remove_subscription(
        subscription_id: SubscriptionPath, by: Caller, if_match: IfMatch = None
    ) -> None:
        require_match(if_match, store.get(subscription_id).revision)
        store.remove(subscription_id, by)


def _tell(subscription: AlertSubscription, response: Response) -> bodies.SubscriptionReply:
    response.headers["ETag"] = etag(subscription.revision)
    return bodies.reply(subscription)


def _changed(
    subscription: AlertSubscription, change: bodies.SubscriptionChange
) -> AlertSubscription:
    current = bodies.as_requested(subscription)
    asked = patched(bodies.SubscriptionRequest, current, change)
    if change.url is not None or change.paused is False:
        # Whoever asks for messages again has seen to what had made us stop
        subscription = msgspec.structs.replace(subscription, disabled_reason="")
    return bodies.apply(subscription, asked)

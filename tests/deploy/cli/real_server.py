"""The real HTTP app over a real store, on an ephemeral port: what the fake server imitates."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from deploy.http.access import AccessOptions, Token
from deploy.http.app import build_app
from deploy.http.parts import HttpParts
from deploy.http.server import HttpServer, bind, url_of
from deploy.store import Store, open_store
from deploy.vault import Vault
from grounding.alert import Alert, AlertState, alert_id
from grounding.alert_stream import AlertStream
from grounding.delivery.outcome import DeliveryOutcome
from streamer.address_policy import AddressPolicy
from streamer.bus import Message
from streamer.registration import CameraRegistration

REFUSED = DeliveryOutcome("failed", 500, "It answered 500.", seconds=0.5)


@dataclass(frozen=True, slots=True)
class Real:
    """A running server and its store."""

    url: str
    store: Store
    published: list[Message]  # by the routes

    def tell(self, number: int, state: AlertState = "opened", revision: int = 1) -> Alert:
        """Store an alert, as grounding would have it stored."""
        start = 1_750_000_000.0 + 60 * number
        alert = Alert(
            alert_id=alert_id("aaaa11112222", "gate", 1, number),
            revision=revision,
            state=state,
            query_id="aaaa11112222",
            query="smoke",
            query_version=1,
            severity="warning",
            camera_id="gate",
            session=1,
            start=start,
            end=start + 4,
            score=0.5,
            saliency=((start + 1, 0.5), (start + 3, 1.0)),
            at=start + 6,
            bundle="watchword-lite",
        )
        self.store.alerts.write([(alert, b"")])
        return alert


@contextmanager
def real_server(folder: Path, token: str | None = None) -> Iterator[Real]:
    """The server; with a token it wants it from everybody."""
    scopes = frozenset({"read", "write"})
    tokens = () if token is None else (Token.of("operator", scopes, token),)  # type: ignore[arg-type]
    store = open_store(f"sqlite:///{folder}/watchword.db", Vault.open(folder / "key"))
    with closing(store), closing(bind("127.0.0.1", 0)) as listener:
        stream, published = AlertStream(store.alerts), list[Message]()
        store.alerts.listen(stream.notify)
        policy = AddressPolicy(loopback=True, private=True)
        app = build_app(
            HttpParts(
                cameras=store.cameras,
                queries=store.queries,
                subscriptions=store.subscriptions,
                silences=store.silences,
                alerts=store.alerts,
                blind_periods=store.blind_periods,
                dead_letters=store.dead_letters,
                stream=stream,
                register=CameraRegistration((folder,), policy, lambda text: "sealed"),
                check_webhook=lambda url: None,
                test_delivery=lambda known: REFUSED,
                publish=published.append,
                ready=lambda: True,
                registry=CollectorRegistry(),
                access=AccessOptions(tokens),
            )
        )
        stop = threading.Event()
        thread = threading.Thread(target=HttpServer(app, listener, 30.0).run, args=(stop,))
        thread.start()
        try:
            yield Real(url_of(listener), store, published)
        finally:
            stream.close()
            stop.set()
            thread.join()

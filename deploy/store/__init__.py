"""The store: SQL tables behind the stores that routes, deliverers and trackers ask for."""

from deploy.store.store import Store, ask_store, open_store

__all__ = ["Store", "ask_store", "open_store"]

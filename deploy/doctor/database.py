"""What keeps the store: asked, and left as it is."""

from deploy.doctor.check import Check, fail, ok
from deploy.errors import StoreError
from deploy.store import ask_store

NAME = "store"


def check_store(url: str, with_kafka: bool) -> Check:
    """Whether the database can be used; with Kafka, by how many processes."""
    try:
        found = ask_store(url)
    except StoreError as error:
        sentence, _, fix = str(error).rpartition(": ")
        return fail(NAME, sentence or fix, fix if sentence else "see store.url")
    if with_kafka and found.startswith("SQLite"):
        found += " with the api part; several need PostgreSQL"
    return ok(NAME, found)

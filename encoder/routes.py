"""`/v1/deadletters`: records that were put aside, and trying them again; deploy mounts it."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from encoder.dead_letter_shape import (
    DeadLetterPage,
    DeadLetterReply,
    WholeDeadLetterReply,
    letter_reply,
    whole_reply,
)
from encoder.dead_letter_store import DeadLetterStore
from encoder.stored_dead_letter import DeadLetterFilter, replay_message
from streamer.bus import Message
from streamer.caller import Caller
from streamer.paging import DEFAULT_LIMIT, MOST, cut_page, unpack_sequence
from streamer.problem import problems
from streamer.shape import Line

LetterPath = Annotated[str, Path(pattern="^[0-9a-f]{12}$", description="The dead letter's id.")]


class DeadLetterQuestion(BaseModel):
    """Which dead letters; a filter that is given several times lets any of its values pass."""

    model_config = ConfigDict(extra="forbid")

    topic: tuple[Line, ...] = Field(
        (), description="Only of these topics.", examples=[["watchword.embeddings.v1"]]
    )
    replayed: bool | None = Field(None, description="Only those that were, or were not.")
    limit: int = Field(
        DEFAULT_LIMIT, ge=1, le=MOST, description="How many items a page has at most."
    )
    cursor: str | None = Field(
        None, description="The `next` of the page before; opaque. Without it, the first page."
    )

    def filter(self) -> DeadLetterFilter:
        """The dead letters it asks for."""
        return DeadLetterFilter(topics=self.topic, replayed=self.replayed)


def dead_letter_routes(store: DeadLetterStore, publish: Callable[[Message], object]) -> APIRouter:
    """The routes of a store of dead letters; `publish` returns once a message is on its topic."""
    routes = APIRouter(prefix="/v1/deadletters", tags=["dead letters"])
    _add_reading(routes, store)

    @routes.post(
        "/{letter_id}:replay",
        operation_id="replay_dead_letter",
        summary="Publish the record again where it lay",
        responses=problems(404, 409, 413, 422, 507),
    )
    def replay_dead_letter(letter_id: LetterPath, by: Caller) -> DeadLetterReply:
        publish(replay_message(store.get(letter_id)))
        # Noted after it was done: what is cut off in between is replayed once more, never lost
        return letter_reply(store.note_replay(letter_id, by))

    return routes


def _add_reading(routes: APIRouter, store: DeadLetterStore) -> None:
    @routes.get(
        "",
        operation_id="list_dead_letters",
        summary="List dead letters, newest first",
        responses=problems(422),
    )
    def list_dead_letters(asked: Annotated[DeadLetterQuestion, Query()]) -> DeadLetterPage:
        rows = store.page(asked.filter(), unpack_sequence(asked.cursor), asked.limit + 1)
        page, following = cut_page(rows, asked.limit, lambda letter: str(letter.sequence))
        return DeadLetterPage(items=[letter_reply(letter) for letter in page], next=following)

    @routes.get(
        "/{letter_id}",
        operation_id="get_dead_letter",
        summary="Show a dead letter and its record",
        responses=problems(404, 422),
    )
    def get_dead_letter(letter_id: LetterPath) -> WholeDeadLetterReply:
        return whole_reply(store.get(letter_id))

"""`/v1/alerts/{id}/clip.mp4`, `thumbnail.jpg` and `preview.webp`: what the camera saw."""

from contextlib import ExitStack
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from grounding.alert_evidence import AboutClip, AlertEvidence, Piece
from grounding.record import rfc3339
from grounding.routes.alerts import AlertPath
from grounding.stores import AlertStore
from streamer.errors import EvidenceMissingError
from streamer.file_reply import Range, file_reply
from streamer.problem import problems

_KINDS: dict[Piece, str] = {
    "clip.mp4": "video/mp4",
    "thumbnail.jpg": "image/jpeg",
    "preview.webp": "image/webp",
}
_HEADERS = {
    "X-Watchword-Offset-Seconds": "Where in the clip the alert begins, in seconds.",
    "X-Watchword-Clip-Start": "When the clip's first picture was seen, RFC 3339.",
    "X-Watchword-Clip-End": "When its last picture ended, RFC 3339.",
    "X-Watchword-Clip-Parts": "1, or how many stretches of that time cannot be in one file because "
    "the camera came back with another codec or size: this one shows most of the alert.",
    "X-Watchword-Clip-Complete": "true, or false while more of that time is still to come.",
}


def alert_media_routes(store: AlertStore, evidence: AlertEvidence | None) -> APIRouter:
    """The routes; without evidence they say that there is none."""
    routes = APIRouter(prefix="/v1/alerts", tags=["alerts"])
    _add(
        routes,
        store,
        evidence,
        "clip.mp4",
        ("get_alert_clip", "Watch an alert, from a few seconds before"),
    )
    _add(
        routes,
        store,
        evidence,
        "thumbnail.jpg",
        ("get_alert_thumbnail", "See an alert where it is clearest"),
    )
    _add(
        routes,
        store,
        evidence,
        "preview.webp",
        ("get_alert_preview", "See an alert in a few moving pictures"),
    )
    return routes


def _add(
    routes: APIRouter,
    store: AlertStore,
    evidence: AlertEvidence | None,
    piece: Piece,
    told: tuple[str, str],
) -> None:
    operation_id, summary = told

    @routes.get(
        "/{alert_id}/" + piece,
        operation_id=operation_id,
        summary=summary,
        response_class=Response,
        responses={**_answers(piece), **problems(404, 409, 416, 422)},
    )
    def get_piece(alert_id: AlertPath, asked: Range = None) -> Response:
        alert = store.get(alert_id).alert
        if evidence is None:
            raise EvidenceMissingError(
                "This server keeps no evidence: set storage.evidence in its configuration."
            )
        with ExitStack() as stack:
            path, about = stack.enter_context(evidence.opened(alert, piece))
            return file_reply(path, stack.pop_all(), _KINDS[piece], asked, _told(about))


def _told(about: AboutClip) -> dict[str, str]:
    return {
        "X-Watchword-Offset-Seconds": f"{about.offset_seconds:.3f}",
        "X-Watchword-Clip-Start": rfc3339(about.start),
        "X-Watchword-Clip-End": rfc3339(about.end),
        "X-Watchword-Clip-Parts": str(about.parts),
        "X-Watchword-Clip-Complete": str(about.complete).lower(),
        "Cache-Control": "private, max-age=86400" if about.complete else "no-store",
    }


def _answers(piece: Piece) -> dict[int | str, dict[str, Any]]:
    headers = {
        name: {"description": text, "schema": {"type": "string"}} for name, text in _HEADERS.items()
    }
    content = {_KINDS[piece]: {"schema": {"type": "string", "format": "binary"}}}
    return {
        200: {"description": "The file.", "content": content, "headers": headers},
        206: {"description": "The bytes asked for.", "content": content, "headers": headers},
    }

"""What each field of a record means, and in which unit."""

# Fields that mean the same wherever they stand
COMMON = {
    "schema": "The record's version. A reader refuses versions above those it knows.",
    "camera_id": "The camera's id, a slug that never changes.",
    "query_id": "The standing query's id.",
    "session": "The session of the camera: its start in UTC milliseconds.",
    "index": "The clip's number in its session: clip i begins 2 i seconds after the session.",
    "start": "Where it begins, UTC seconds.",
    "end": "Where it ends, UTC seconds.",
    "seen_until": "Where the clip's pictures end, UTC seconds; at most its end.",
    "clock_source": "Whose clock the times are of: the camera's (rtp), this machine's at arrival, "
    "or a file's own.",
    "skipped": "How many clips are missing right before this one, since the camera gave no "
    "picture.",
    "watched_since": "When the process that reads the camera took it up, UTC seconds; 0: unknown.",
    "space_id": "The embedding space: vectors of different ones are never compared.",
    "revision": "Given by the store, rising: a lower one than was seen already is ignored.",
    "labels": "The owner's own names and values.",
    "declared": "Whether it stands in the configuration file, which alone may change it.",
    "created_at": "When it was registered, UTC seconds.",
    "updated_at": "When it was changed last, UTC seconds.",
    "severity": "How bad it would be.",
}

FIELDS: dict[str, dict[str, str]] = {
    "ClipRecord": {
        "travels": "How the pixels travel: as they are (raw), or as JPEGs (jpeg).",
        "shape": "Frames, height and width in pixels.",
        "pixels": "Raw: frames one after the other, rows from above, RGB, a byte each; else empty.",
        "jpegs": "One picture for each frame; empty where pixels travel raw.",
    },
    "EmbeddingRecord": {
        "vector_type": "The numbers' type: little-endian float32 (f4) or float16 (f2).",
        "vector": "The clip's unit vector: D numbers of the vector's type.",
    },
    "CameraRecord": {
        "source": "Where its pictures come from, without user and password.",
        "credentials": "Where its user and password are; null: it asks for none.",
        "paused": "Whether nobody reads it for now.",
        "loop": "Whether a file is played for ever.",
        "pace": "How a file is read: at its own speed (own), or as fast as it goes (fastest).",
        "rtsp_transport": "How RTSP carries the pictures.",
        "sub_source": "A second URL that is looked at in its place; null: there is none.",
        "decode": "Which pictures are decoded.",
        "masks": "Polygons that are blackened: corners x, y in fractions of the picture's size.",
        "region": "What is looked at: left, top, right, bottom in fractions; null: all.",
        "evidence": "Whether its packets are kept, as video of what alerts are about.",
        "decoder": "Where its pictures are decoded; null: as its streamer is set.",
        "start": "When a file at the fastest pace begins, UTC seconds; null: what the file says.",
    },
    "Credentials": {
        "sealed": "`user:password`, encrypted with the server's key.",
        "environment": "The variable of the streamer's environment that holds `user:password`.",
    },
    "QueryRecord": {
        "text": "What is watched for.",
        "version": "Counts changes of what the query means, and where, when and how readily.",
        "effective_at": "From when this version holds, UTC seconds.",
        "negatives": "What looks alike and is not meant.",
        "cameras": "Ids of the cameras; * stands for any run of letters.",
        "schedule": "When it is watched for; null: always.",
        "sensitivity": "How readily it alerts.",
        "for_seconds": "Only events that last this many seconds are told.",
        "keep_firing_for_seconds": "How many seconds an alert outlives its event.",
        "cooldown_seconds": "For so many seconds after an alert, others of its camera are not "
        "told.",
        "wanted": "What its owner asked for.",
    },
    "Sensitivity": {
        "alerts_per_day": "The alert budget of the query on each camera, alerts a day.",
        "threshold": "The probability from which on it alerts, between 0 and 1.",
    },
    "Schedule": {
        "hours": "Hours of the week; it is watched for in any of them.",
        "timezone": "The IANA time zone of the hours.",
    },
    "Hours": {
        "days": "The days on which they begin.",
        "begin": "HH:MM on the wall clock.",
        "end": "HH:MM, at most 24:00; not after the begin: on the next day.",
    },
    "Silence": {
        "silence_id": "The silence's id.",
        "starts_at": "From when on, UTC seconds.",
        "ends_at": "Until when, UTC seconds.",
        "queries": "Ids of the queries; * stands for any run of letters.",
        "cameras": "Ids of the cameras; * stands for any run of letters.",
        "comment": "Why, in its maker's words.",
        "created_by": "The name of the token that made it.",
    },
    "FeaturesRecord": {
        "version": "The version of the query that was encoded.",
        "texts": "The query's own text, then its negatives; empty where there is a problem.",
        "problem": "Why the query cannot be encoded, a sentence for its owner; empty if it was.",
    },
    "AlertRecord": {
        "id": "The alert's id: SHA-256 in hexadecimal, the same over its whole life.",
        "state": "What this event says of the alert.",
        "query": "The query's text.",
        "camera": "What the camera is called.",
        "start": "Where the event begins, RFC 3339 in UTC.",
        "end": "Where it ends as far as is known, RFC 3339 in UTC.",
        "start_seconds": "Seconds from the beginning of a file; null on the topic.",
        "end_seconds": "Seconds from the beginning of a file; null on the topic.",
        "score": "The highest probability of its moments so far, between 0 and 1.",
        "saliency": "Around the event: a clip's middle, UTC seconds, and its probability.",
        "bundle": "The bundle whose models saw it.",
        "query_version": "The version of the query that opened it.",
        "revision": "1, 2, ... over the alert's life: `<id>.<revision>` names the event.",
        "session": "The session that opened it: its start in UTC milliseconds.",
        "at": "How far the camera had been seen, RFC 3339 in UTC.",
    },
    "CameraState": {
        "clock": "How far the camera had been seen, UTC seconds.",
        "live": "Whether it is no file: wall-clock time counts for it.",
        "covered": "Until when it was evaluated or reported blind; null: never.",
        "tracks": "The tracker's state of the camera: grounding's own, to be read by no other.",
        "alerts": "Open alerts as a store kept them: grounding's own, to be read by no other.",
    },
    "Covered": {
        "index": "The last clip that was evaluated or reported blind.",
        "until": "Until when it was evaluated or reported blind, UTC seconds.",
    },
    "CameraHealth": {
        "state": "How it fares.",
        "since": "Since when, UTC seconds.",
        "reason": "The kind of fault; null if there is none.",
        "message": "Why it is offline, in a sentence without secrets.",
    },
    "BlindPeriod": {
        "reason": "stream: the camera gave no picture; lag: a clip was dropped on its way; "
        "overload: there was no time for it; restart: no process read the camera.",
        "queries": "Ids of the queries that were not watched for; * is all of them.",
    },
    "FeedbackRecord": {
        "alert_id": "The alert that was judged.",
        "query_version": "The version of the query that opened it.",
        "start": "Where the alert's event begins, UTC seconds.",
        "end": "Where it ended as far as was known then, UTC seconds.",
        "score": "The highest probability of its moments until then, between 0 and 1.",
        "verdict": "Whether it was right to tell of it.",
        "note": "Why, in their words.",
        "by": "The name of the token that judged.",
        "at": "When, UTC seconds; a later one of the same alert takes its place.",
    },
}

# Records that travel as arrays: what stands where
ARRAYS: dict[str, tuple[tuple[str, str], ...]] = {
    "EncodedText": (
        ("text", "The text."),
        ("pooled", "Its unit vector: D little-endian float32."),
        ("tokens", "Its tokens: N times D little-endian float32."),
    ),
}

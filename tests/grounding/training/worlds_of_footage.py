"""A small world of footage: two streets, two bars, a bedroom, UP-Fall's room, fires, pictures."""

from dataclasses import replace

from grounding.training.concepts import lacks
from grounding.training.footage import Event, Footage

CAPTIONS = (
    "A brown dog runs through deep snow .",
    "Two children build a sand castle at the beach .",
    "A climber hangs on a steep rock wall .",
    "A surfer rides a big wave in the ocean .",
    "A woman plays the violin on a stage .",
    "A horse jumps over a wooden hurdle .",
    "An old man sells fruit at a market stall .",
    "A red kite flies above the green hills .",
)


def footage_of_the_world() -> list[Footage]:
    """Footage with consecutive rows, as a frame cache would give it."""
    items = [
        *(_street(number) for number in range(3)),
        *(_bar(camera, fighting) for camera in range(2) for fighting in (True, False)),
        _bed_fall(),
        _bed_rest(),
        *(_room(activity, camera) for activity in (1, 6, 8, 9, 10, 11) for camera in (1, 2)),
        *(
            _still("falls", f"{kind}/{n}", shows, scene)
            for n in range(2)
            for kind, shows, scene in (
                ("fall", ("lying",), "fallen"),
                ("not-fall", ("calm_people",), "upright"),
            )
        ),
        *(
            _still("fire", f"{kind}/{n}", shows, scene)
            for n in range(2)
            for kind, shows, scene in (("fire", ("fire",), "burning"), ("normal", (), "unlit"))
        ),
        *(_picture(number) for number in range(len(CAPTIONS))),
    ]
    return with_rows(items)


def with_rows(items: list[Footage]) -> list[Footage]:
    """The same footage, one after another in a frame cache."""
    placed, row = [], 0
    for item in items:
        placed.append(replace(item, row=row))
        row += item.frames
    return placed


def _video(
    name: str,
    group: str,
    fps: float,
    frames: int,
    scene: str,
    shows: tuple[str, ...] = (),
    events: tuple[Event, ...] = (),
) -> Footage:
    seen = {*shows, *(event.concept for event in events)}
    return Footage(
        id=name,
        source=name.split("/")[0],
        group=group,
        kind="video",
        fps=fps,
        frames=frames,
        shows=shows,
        events=events,
        lacks=lacks(scene, seen),
    )


def _street(number: int) -> Footage:
    crash = (Event("accident", 2.0 + number, 5.0 + number),)
    name = f"accident/test{number}"
    return _video(name, name, 5.0, 50, "street", ("traffic",), crash)


def _bar(camera: int, fighting: bool) -> Footage:
    name = f"fights/{'fi' if fighting else 'nofi'}{camera:03d}"
    scene, shows = ("fight", ("fight",)) if fighting else ("no_fight", ())
    return _video(name, f"fights/{camera:03d}", 8.0, 17, scene, shows)


def _bed_fall() -> Footage:
    events = (Event("lying_in_bed", 0.0, 1.5), Event("fall", 1.5, 2.5), Event("lying", 2.5, 4.125))
    return _video("bed/fall_1", "bed/000", 8.0, 33, "bedroom", (), events)


def _bed_rest() -> Footage:
    events = (Event("lying_in_bed", 0.0, 4.125),)
    return _video("bed/roll_1", "bed/001", 8.0, 33, "bedroom", (), events)


def _room(activity: int, camera: int) -> Footage:
    name = f"up_fall/Activity{activity}_Subject1_Trial1Cam{camera}"
    if activity == 1:
        events = (Event("standing", 0.0, 2.0), Event("fall", 2.0, 3.25), Event("lying", 3.25, 7.0))
        return _video(name, "up_fall", 8.0, 56, "room_fall", (), events)
    if activity == 9:
        bending = (Event("picking_up", 1.0, 2.0),)
        return _video(name, "up_fall", 8.0, 48, "room", ("standing",), bending)
    shows = {6: "walking", 8: "sitting", 10: "jumping", 11: "lying_in_bed"}[activity]
    return _video(name, "up_fall", 4.0, 60, "room_lying" if activity == 11 else "room", (shows,))


def _still(source: str, name: str, shows: tuple[str, ...], scene: str) -> Footage:
    full = f"{source}/{name}"
    return Footage(
        id=full,
        source=source,
        group=full,
        kind="still",
        fps=1.0,
        frames=1,
        shows=shows,
        lacks=lacks(scene, set(shows)),
    )


def _picture(number: int) -> Footage:
    name = f"flickr8k/{number}"
    return Footage(
        id=name,
        source="flickr8k",
        group=name,
        kind="still",
        fps=1.0,
        frames=1,
        captions=(CAPTIONS[number],),
    )

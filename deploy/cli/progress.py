"""The progress bar: on a terminal, on standard error."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from deploy.clock import minutes_and_seconds
from deploy.watch_plan import PlannedCamera, WatchPlan


class ProgressBar:
    """A bar for each camera, by seconds of video; nothing where there is no terminal."""

    def __init__(self, console: Console, plan: WatchPlan) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[place]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._tasks = {camera.camera_id: self._add(camera) for camera in plan.cameras}

    def __enter__(self) -> "ProgressBar":
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def seen(self, camera_id: str, seconds: float) -> None:
        """So many seconds of the camera are done."""
        place = minutes_and_seconds(seconds)
        self._progress.update(self._tasks[camera_id], completed=seconds, place=place)

    def _add(self, camera: PlannedCamera) -> TaskID:
        return self._progress.add_task(camera.camera_id, total=camera.seconds, place="0:00.0")

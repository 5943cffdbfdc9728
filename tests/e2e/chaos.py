"""One Watchword in several processes that things happen to, with all those who listen to it."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grounding.alert_state import unpack_alert_state
from grounding.blind import Covered
from streamer.bus import ALERT_STATE, Subscription
from streamer.kafka_bus import KafkaBus
from tests.e2e.accounts import Account, open_account
from tests.e2e.checks import (
    CLIP_SECONDS,
    check_alerts,
    check_evaluated,
    check_events,
    check_time,
)
from tests.e2e.ending import (
    Places,
    clips_seen,
    count_windows,
    newest_embeddings,
    wait_for_clips,
    wait_for_store,
)
from tests.e2e.media import BLUE, GREY, RED, Colour, write_video
from tests.e2e.serving import Follower, Hook, Serve, Split, wait_for
from tests.kafka_broker import KafkaBroker

SEED = 20261124
PARTITIONS = 4
GROUNDING = {"merge_seconds": 10, "settle_seconds": 2, "silence_grace_seconds": 10}
SCENES = [(GREY, 6), (RED, 6), (GREY, 20), (RED, 10), (BLUE, 18)]
# Whether a process that joins has taken something over, by the part that it has
HAS_WORK: dict[str, Callable[[Serve], object]] = {
    "streamer": lambda one: one.by_camera("watchword_stream_up"),
    "encoder": lambda one: one.metric("watchword_encode_batch_size_count"),
    "grounding": lambda one: one.metric("watchword_windows_total", outcome="evaluated"),
    "api": lambda one: one.http.get("/healthz/ready").status_code == 200,
}
Scenes = Sequence[tuple[Colour, float]]
THREE = {"eyes": "streamer,encoder", "mind": "grounding", "api": "api"}


@dataclass
class Scene:
    """Cameras that show red now and then, a query for it, a webhook and a follower."""

    split: Split
    hook: Hook
    cameras: Sequence[str]
    bus: KafkaBus  # its topics, from outside
    states: Subscription  # of alert-state.v1
    chance: random.Random = field(default_factory=lambda: random.Random(SEED))
    api_kills: int = 0
    recovered: list[str] = field(default_factory=list)
    covered: dict[str, Covered] = field(default_factory=dict)  # by camera: how far it came
    ids: list[str] = field(default_factory=list)  # of events, as followers of the stream read them
    # At further api processes: what was told before, and who follows from then on
    others: list[tuple[frozenset[str], Follower]] = field(default_factory=list)

    def begin(self, film: Path) -> None:
        """Everything is ready before the first camera begins."""
        api = self.split.api
        self.split.wait_until_ready()
        api.post("subscriptions", {"url": self.hook.url, "states": ["opened", "closed"]})
        query = api.add_query("red")
        wait_for(lambda: api.get(f"queries/{query['id']}")["state"] == "armed", about="the query")
        api.follow()
        for camera in self.cameras:
            api.add_camera(camera, film, loop=True)
        wait_for(lambda: api.followers[-1].events, about="the first alert")

    def kill(self, *names: str, broker: KafkaBroker | None = None) -> None:
        """kill -9 of all these at once; an orchestrator would start them again."""
        at = time.time()
        for name in names:
            self._kill(name)
        if broker is not None:
            broker.restart()
        for name in names:
            self.split[name].start()
        for name in names:
            self._follow_again(name)
        killed = [*names, "broker"] if broker is not None else names
        self.recover(f"kill -9 of {' and '.join(killed)}", at)

    def join(self, name: str, part: str) -> None:
        """One more process with this part comes, and has work after a while."""
        at = time.time()
        self.split.add(**{name: part})
        wait_for(lambda: HAS_WORK[part](self.split[name]), about=f"work for {name}")
        self.recovered.append(f"{name} joins: at work {time.time() - at:.1f} s after its start")
        if part == "api":
            known = self._followed()
            self.others.append((frozenset(known), self.split[name].follow(known[-1])))
        self.recover(f"{name} has joined", time.time())

    def lose(self, name: str) -> None:
        """kill -9, and only when the others have taken over it is started again."""
        at = time.time()
        self._kill(name)
        told = [len(follower.ids) for _, follower in self.others]

        def told_more() -> bool:
            now = [len(follower.ids) for _, follower in self.others]
            return self._is_evaluated_beyond(at) and now > told

        wait_for(told_more, about=f"others to take over from {name}")
        took = time.time() - at
        self.recovered.append(f"{name} is lost: told by the others {took:.1f} s after")
        self.split[name].start()
        self._follow_again(name)
        self.recover(f"{name} is back", time.time())

    def _kill(self, name: str) -> None:
        process = self.split[name]
        if "api" in process.parts:
            self.api_kills += 1
            self.ids += process.followers[-1].ids
        process.kill()

    def _follow_again(self, name: str) -> None:
        if "api" in self.split[name].parts:
            self.split[name].follow(last_event_id=self.ids[-1])

    def recover(self, what: str, at: float) -> None:
        """Waits until all processes are ready and each camera is evaluated beyond the fault."""
        self.split.wait_until_ready()
        ready = time.time() - at

        wait_for(lambda: self._is_evaluated_beyond(at), about=f"clips that began after {what}")
        seen = time.time() - at - CLIP_SECONDS
        self.recovered.append(f"{what}: ready {ready:.1f} s, pictures evaluated {seen:.1f} s after")

    def _is_evaluated_beyond(self, at: float) -> bool:
        self._read_states()
        began = [one.until - CLIP_SECONDS for one in self.covered.values()]
        return len(began) == len(self.cameras) and min(began) > at

    def _read_states(self) -> None:
        for record in self.states.poll(0.1):
            covered = unpack_alert_state(record.value).covered if record.value else None
            if covered is not None:
                self.covered[record.key] = covered

    def rest(self, shortest: float, longest: float) -> None:
        """Some seconds in which nothing happens."""
        time.sleep(self.chance.uniform(shortest, longest))

    def end(self) -> Account:
        """Cameras are taken away; once every alert is closed and told, all processes end."""
        api = self.split.api
        self.split.wait_until_ready()
        seen = clips_seen(self.split)
        for camera in self.cameras:
            assert api.http.delete(f"/v1/cameras/{camera}").status_code in {200, 202, 204}
        wait_for_clips(self.split, self.bus, seen)
        last = newest_embeddings(self.bus)
        wait_for(lambda: self._has_covered(last), about=f"grounding to evaluate {last}")
        windows = count_windows(self.split)
        wait_for_store(self.split, self.bus)  # from here on no alert opens any more
        wait_for(lambda: self._closed(), about="all alerts to close")
        wait_for(lambda: self._wanted() <= set(self.hook.ids), about="every webhook")
        wait_for(lambda: self._has_followed(), about="every event streamed")
        self._check_listeners()
        codes = self.split.end()
        assert set(codes.values()) == {0}, codes
        return Account.read(self.split.api.config, windows)

    def _has_covered(self, last: Places) -> bool:
        self._read_states()
        covered = {camera: (one.session, one.index) for camera, one in self.covered.items()}
        return last.keys() <= covered.keys() and all(covered[one] >= last[one] for one in last)

    def _closed(self) -> bool:
        alerts = self.split.api.alerts(limit=200)
        return bool(alerts) and all(alert["state"] == "closed" for alert in alerts)

    def _all_events(self) -> set[str]:
        alerts = self.split.api.alerts(limit=200)
        return {
            f"{alert['id']}.{revision}"
            for alert in alerts
            for revision in range(1, alert["revision"] + 1)
        }

    def _wanted(self) -> set[str]:
        alerts = self.split.api.alerts(limit=200)
        return {f"{one['id']}.{at}" for one in alerts for at in (1, one["revision"])}

    def _followed(self) -> list[str]:
        return [*self.ids, *self.split.api.followers[-1].ids]

    def _has_followed(self) -> bool:
        every = self._all_events()
        there = [known | set(follower.ids) for known, follower in self.others]
        return all(every <= seen for seen in [set(self._followed()), *there])

    def _check_listeners(self) -> None:
        followed = self._followed()
        assert len(followed) == len(set(followed)), "an event was streamed twice"
        assert set(followed) == self._all_events()
        for known, follower in self.others:
            assert sorted(follower.ids) == sorted(self._all_events() - known)
        assert set(self.hook.ids) == self._wanted()
        repeats = sum(count - 1 for count in Counter(self.hook.ids).values())
        assert repeats <= self.api_kills, "a repeat where no kill fell between sending and noting"


@contextmanager
def scene(
    folder: Path,
    colours: Path,
    brokers: Sequence[str],
    *,
    cameras: Sequence[str] = ("door", "yard"),
    scenes: Scenes = SCENES,
    grounding: Mapping[str, Any] | None = None,
    store: str = "",
    **processes: str,
) -> Iterator[Scene]:
    """A Watchword in these processes (default: three), with its cameras on."""
    settings: dict[str, Any] = {
        "bundle": str(colours),
        "grounding": {**GROUNDING, **(grounding or {})},
        "kafka": {"bootstrap_servers": ",".join(brokers), "partitions": PARTITIONS},
        "delivery": {"first_retry_seconds": 0.5},
        "store": {"url": store},
    }
    film = write_video(folder / "film.mp4", scenes)
    hook = Hook()
    split = Split(folder, settings, **(processes or THREE))
    try:
        with closing(open_account(split.api.config)) as bus:
            made = Scene(split, hook, cameras, bus, bus.subscribe(ALERT_STATE.name))
            made.begin(film)
            yield made
    finally:
        split.close()
        hook.close()


def check(account: Account) -> None:
    """Nothing is lost, nothing told twice."""
    check_time(account)
    check_evaluated(account)
    check_alerts(account)
    check_events(account, GROUNDING["merge_seconds"])

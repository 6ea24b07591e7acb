"""What Prometheus reads from a box."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sightgrid.domain.cameras import CameraState
from sightgrid.edge.ring import RingCounts
from sightgrid.edge.states import CameraStatus

_COUNTERS = {
    "packets": "Packets that came in.",
    "frames": "Pictures decoded.",
    "skipped": "Packets never decoded, as there was no time.",
    "damaged": "Packets or pictures that were damaged.",
    "suspect": "Pictures not looked at, as they could not be trusted.",
    "sent": "Pictures handed to the inference process.",
    "received_bytes": "Bytes of video that came in.",
    "connections": "Attempts to connect.",
    "cpu_secs": "Processor seconds of the camera's process.",
}


class BoxCollector(Collector):
    """Asks the box at each scrape."""

    def __init__(
        self,
        *,
        statuses: Callable[[], Iterable[CameraStatus]],
        rings: Callable[[], Mapping[str, RingCounts]],
        restarts: Callable[[], Mapping[str, int]],
        inference: Callable[[], Mapping[str, float]],
        upload: Callable[[], Mapping[str, object]],
        all_down: Callable[[], bool],
    ) -> None:
        self._statuses = statuses
        self._rings = rings
        self._restarts = restarts
        self._inference = inference
        self._upload = upload
        self._all_down = all_down

    def collect(self) -> Iterator[Metric]:
        statuses = list(self._statuses())
        yield from _of_cameras(statuses)
        yield from _of_rings(self._rings())
        restarts = CounterMetricFamily(
            "sightgrid_process_restarts", "Processes that had to be started anew.", labels=["name"]
        )
        for name, count in self._restarts().items():
            restarts.add_metric([name], count)
        yield restarts
        for name, value in self._inference().items():
            yield GaugeMetricFamily(
                f"sightgrid_inference_{name}", "Of the inference process.", value=value
            )
        for name, told in self._upload().items():
            if isinstance(told, int | float):
                yield GaugeMetricFamily(f"sightgrid_upload_{name}", "Of the spool.", value=told)
        yield GaugeMetricFamily(
            "sightgrid_all_cameras_down",
            "1 while all cameras that should be live are down at once.",
            value=float(self._all_down()),
        )


def _of_cameras(statuses: list[CameraStatus]) -> Iterator[Metric]:
    state = GaugeMetricFamily(
        "sightgrid_camera_state", "1 for the state each camera is in.", labels=["camera", "state"]
    )
    trouble = GaugeMetricFamily(
        "sightgrid_camera_trouble", "1 for what troubles a camera.", labels=["camera", "trouble"]
    )
    fps = GaugeMetricFamily("sightgrid_camera_fps", "Pictures a second.", labels=["camera"])
    age = GaugeMetricFamily(
        "sightgrid_camera_last_frame_age_seconds",
        "How old the last picture is.",
        labels=["camera"],
    )
    for status in statuses:
        for each in CameraState:
            state.add_metric([status.camera, each.value], float(each is status.state))
        if status.trouble is not None:
            trouble.add_metric([status.camera, status.trouble.value], 1.0)
        fps.add_metric([status.camera], status.fps)
        if status.last_frame is not None:
            secs = (status.at - status.last_frame).total_seconds()
            age.add_metric([status.camera], max(secs, 0.0))
    yield from (state, trouble, fps, age)
    for name, text in _COUNTERS.items():
        family = CounterMetricFamily(f"sightgrid_camera_{name}", text, labels=["camera"])
        for status in statuses:
            family.add_metric([status.camera], getattr(status, name))
        yield family


def _of_rings(rings: Mapping[str, RingCounts]) -> Iterator[Metric]:
    texts = {
        "written": "Pictures written for the inference process.",
        "held_back": "Pictures in which nothing moved.",
        "taken": "Pictures the inference process has taken.",
        "lost": "Pictures replaced by a newer one before they were taken.",
        "torn": "Pictures half-written when looked at.",
    }
    for name, text in texts.items():
        family = CounterMetricFamily(f"sightgrid_ring_{name}", text, labels=["camera"])
        for camera, counts in rings.items():
            family.add_metric([camera], getattr(counts, name))
        yield family


def serve_metrics(collector: BoxCollector, address: tuple[str, int]) -> Callable[[], None]:
    """Serves ``/metrics`` from a thread; call what is returned to end it."""
    registry = CollectorRegistry()
    registry.register(collector)
    server, thread = start_http_server(address[1], address[0], registry)

    def close() -> None:
        server.shutdown()
        server.server_close()
        thread.join(5.0)

    return close

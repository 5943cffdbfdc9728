"""Cameras and queries of the configuration file, on their way into the store."""

from deploy.errors import ConfigError
from deploy.settings import Settings
from deploy.settings.cameras import DeclaredCamera
from deploy.settings.parts import query_records
from deploy.store import Store
from streamer.camera_record import CameraRecord
from streamer.errors import StreamerError
from streamer.film import check_film
from streamer.registration import CameraRegistration


def declare(settings: Settings, store: Store, registration: CameraRegistration) -> None:
    """Have the store hold what the file lists, and no longer what it listed before.

    Raises ConfigError for a camera that cannot be read from where it is said to be.
    """
    cameras = [_camera_record(camera, registration) for camera in settings.cameras.list]
    store.declare(cameras, query_records(settings))


def _camera_record(camera: DeclaredCamera, registration: CameraRegistration) -> CameraRecord:
    try:
        source, credentials = registration.prepare(
            camera.source, camera.credentials_environment, declared=True
        )
        sub_source = camera.sub_source and registration.prepare_sub(
            camera.sub_source, camera.source
        )
        start = None if camera.start is None else camera.start.timestamp()
        check_film(source, camera.pace, start, camera.loop)
    except StreamerError as error:
        raise ConfigError(f"cameras.list: {camera.id}: {error}") from error
    return CameraRecord(
        camera_id=camera.id,
        source=source,
        credentials=credentials,
        labels=dict(camera.labels),
        paused=camera.paused,
        loop=camera.loop,
        pace=camera.pace,
        start=start,
        rtsp_transport=camera.rtsp_transport,
        sub_source=sub_source,
        decode=camera.decode,
        masks=camera.masks,
        region=camera.region,
        evidence=camera.evidence,
        decoder=camera.decoder,
        declared=True,
    )

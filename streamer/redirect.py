"""Where an HTTP address redirects to, one step at a time: FFmpeg would go wherever it is sent."""

import httpx

from streamer.camera_url import CameraUrl
from streamer.errors import SourceAddressError


def find_redirect(url: CameraUrl, timeout_seconds: float) -> CameraUrl | None:
    """Where the address leads on; None when it does not, or does not answer.

    Raises:
        SourceAddressError: it leads to something that is not HTTP.
    """
    try:
        with httpx.Client(timeout=timeout_seconds, verify=False) as client:  # noqa: S501 - as FFmpeg
            location = _location(client, url)
    except (httpx.HTTPError, httpx.InvalidURL):
        return None  # what FFmpeg said of it stands
    if location is None:
        return None
    target = url.redirected(location)
    if target.scheme not in ("http", "https"):
        raise SourceAddressError(
            f"'{url.public}' redirects to {target.scheme}://: register where it leads instead."
        )
    return target


def _location(client: httpx.Client, url: CameraUrl) -> str | None:
    auth: httpx.Auth | None = None
    while True:
        # Streamed and left at once: the body may never end
        with client.stream("GET", url.public, auth=auth) as response:
            if response.has_redirect_location:
                return response.headers["location"]
            if response.status_code != httpx.codes.UNAUTHORIZED or auth or not url.user_info:
                return None
            user, _, password = url.user_info.partition(":")
            digest = response.headers.get("www-authenticate", "").lower().startswith("digest")
            auth = (httpx.DigestAuth if digest else httpx.BasicAuth)(user, password)

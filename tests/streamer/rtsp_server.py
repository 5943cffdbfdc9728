"""Serves a file by RTSP, over and over; run by the system's Python, which has GStreamer.

    /usr/bin/python3 rtsp_server.py FILE [USER PASSWORD]

Prints the port once it listens and ends when its standard input does. With NTP_TIME_SOURCE in its
environment (a number of GStreamer's rtpbin; 2: the stream's own time) its sender reports say that
instead of the time of day, as a camera does that was never told what day it is.
"""

import os
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402


def serve(path: str, credentials: list[str]) -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    factory = GstRtspServer.RTSPMediaFactory()
    location = path.replace("\\", "\\\\").replace('"', '\\"')
    factory.set_launch(
        f'( filesrc location="{location}" ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 '
        "config-interval=-1 )"
    )
    if credentials:
        protect(server, factory, *credentials)
    if "NTP_TIME_SOURCE" in os.environ:
        set_wrong(factory, int(os.environ["NTP_TIME_SOURCE"]))
    server.get_mount_points().add_factory("/live", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)  # noqa: T201
    threading.Thread(target=end_with_input, daemon=True).start()
    GLib.MainLoop().run()


def protect(
    server: "GstRtspServer.RTSPServer",
    factory: "GstRtspServer.RTSPMediaFactory",
    user: str,
    password: str,
) -> None:
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", user)
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role(user, "media.factory.access", True)
    permissions.add_permission_for_role(user, "media.factory.construct", True)
    factory.set_permissions(permissions)


def set_wrong(factory: "GstRtspServer.RTSPMediaFactory", time_source: int) -> None:
    def prepared(media: "GstRtspServer.RTSPMedia") -> None:
        top = media.get_element()
        while top.get_parent() is not None:
            top = top.get_parent()
        elements = top.iterate_recurse()
        found, element = elements.next()
        while found == Gst.IteratorResult.OK:
            if element.get_factory() and element.get_factory().get_name() == "rtpbin":
                element.set_property("ntp-time-source", time_source)
            found, element = elements.next()

    factory.connect("media-configure", lambda _, media: media.connect("prepared", prepared))


def end_with_input() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2:])

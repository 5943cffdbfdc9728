"""Cameras by RTSP that do as they are told; run by the system's Python, which has GStreamer.

    /usr/bin/python3 rtsp_cameras.py PORT [USER PASSWORD]

Prints the port once it listens (0: any that is free), then answers each line of its standard input,
a JSON list, with "ok", and ends when there are no more:

    ["mount", PATH, PIPELINE]         a camera; whoever watches one of that path is not cut off
    ["set", PATH, ELEMENT, KEY, TEXT] change the pipelines that play there
    ["cut", PATH]                     hang up on everybody
"""

import json
import os
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

playing: dict[str, list["Gst.Element"]] = {}


def serve(port: str, credentials: list[str]) -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    if credentials:
        protect(server, *credentials)
    server.attach(None)
    print(server.get_bound_port(), flush=True)  # noqa: T201
    threading.Thread(target=take_orders, args=(server, credentials), daemon=True).start()
    GLib.MainLoop().run()


def take_orders(server: "GstRtspServer.RTSPServer", credentials: list[str]) -> None:
    for line in sys.stdin:
        done = threading.Event()
        GLib.idle_add(obey, server, credentials, json.loads(line), done)
        done.wait()
        print("ok", flush=True)  # noqa: T201
    os._exit(0)


def obey(
    server: "GstRtspServer.RTSPServer",
    credentials: list[str],
    words: list[str],
    done: threading.Event,
) -> bool:
    match words:
        case ["mount", path, pipeline]:
            mount(server, path, pipeline, credentials)
        case ["set", path, element, key, text]:
            for pipeline in playing.get(path, []):
                found = pipeline.get_by_name(element)
                if found is not None:
                    Gst.util_set_object_arg(found, key, text)
        case ["cut", path]:
            cut = GstRtspServer.RTSPFilterResult.REMOVE
            server.client_filter(lambda _server, _client: cut)
    done.set()
    return False


def mount(
    server: "GstRtspServer.RTSPServer", path: str, pipeline: str, credentials: list[str]
) -> None:
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(pipeline)
    factory.connect("media-configure", lambda _, media: begin(path, media))
    if credentials:
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role(credentials[0], "media.factory.access", True)
        permissions.add_permission_for_role(credentials[0], "media.factory.construct", True)
        factory.set_permissions(permissions)
    server.get_mount_points().add_factory(path, factory)


def begin(path: str, media: "GstRtspServer.RTSPMedia") -> None:
    pipelines = playing.setdefault(path, [])
    pipelines.append(media.get_element())
    media.connect("unprepared", lambda _: pipelines.pop(0) if pipelines else None)


def protect(server: "GstRtspServer.RTSPServer", user: str, password: str) -> None:
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", user)
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2:])

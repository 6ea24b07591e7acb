"""Serves recordings over RTSP on loopback, as cameras would: run with the system's python3.

    python3 gst_rtsp_server.py [--once] PORT NAME=FILE.mp4 ...

Each H.264 file is at rtsp://127.0.0.1:PORT/NAME and plays in real time from its start for whoever
connects; with --once only for the first. Prints ``ready`` once it listens. Needs GStreamer's RTSP
server (Debian: gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-good
gstreamer1.0-plugins-bad); imports nothing of sightgrid.
"""

from __future__ import annotations

import sys


def main(arguments: list[str]) -> int:
    try:
        import gi

        gi.require_version("Gst", "1.0")
        gi.require_version("GstRtspServer", "1.0")
        from gi.repository import GLib, Gst, GstRtspServer
    except (ImportError, ValueError) as error:
        print(f"missing: {error}", flush=True)
        return 3
    Gst.init(None)
    lacking = [n for n in ("qtdemux", "h264parse", "rtph264pay") if not Gst.ElementFactory.find(n)]
    if lacking:
        print(f"missing: GStreamer elements {', '.join(lacking)}", flush=True)
        return 3
    once = arguments[:1] == ["--once"]
    if once:
        arguments = arguments[1:]
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(arguments[0])
    mounts = server.get_mount_points()
    for entry in arguments[1:]:
        name, _, path = entry.partition("=")
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(
            f'( filesrc location="{path}" ! qtdemux ! h264parse config-interval=-1 '
            "! rtph264pay name=pay0 pt=96 )"
        )
        if once:

            def gone(media: object, name: str = name) -> None:
                mounts.remove_factory(f"/{name}")

            factory.connect(
                "media-configure", lambda _, media, gone=gone: media.connect("unprepared", gone)
            )
        mounts.add_factory(f"/{name}", factory)
    if not server.attach(None):
        print("missing: the port is taken", flush=True)
        return 4
    print("ready", flush=True)
    GLib.MainLoop().run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

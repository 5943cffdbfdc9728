"""A wire between a camera and who watches it, to which things happen (a TCP proxy)."""

import random
import socket
import threading
import time

HOUR = 3600


class BadWire:
    """Forwards connections to a port, until it is told otherwise.

    `is_black`: bytes vanish, both ends stay connected. `is_slow`: 20 bytes a second come through.
    `is_noisy`: bytes of the camera are others. `shift` is added to the RTP time of its packets.
    New connections are treated alike.
    """

    def __init__(self, port: int) -> None:
        self.is_black = False
        self.is_slow = False
        self.is_noisy = False
        self.shift = 0  # units of the RTP clock
        self._target = port
        self._over = threading.Event()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)
        self.port = self._listener.getsockname()[1]
        self._start(self._accept)

    def cut_far_end(self) -> None:
        """The camera hangs up on us; who watches is not told, and nothing more comes."""
        self.is_black = True
        for _, far in self._pairs:
            _shut(far)

    def cut(self) -> None:
        """Both ends are reset."""
        for pair in self._pairs:
            for one in pair:
                _shut(one)
        self._pairs.clear()

    def close(self) -> None:
        self._over.set()
        self.cut()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, name="wire")  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                near, _ = self._listener.accept()
            except TimeoutError:
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._target), 1.0)
            except OSError:
                near.close()
                continue
            for one in (near, far):
                one.settimeout(0.1)
            self._pairs.append((near, far))
            self._start(self._carry, near, far, False)
            self._start(self._carry, far, near, True)

    def _carry(self, source: socket.socket, target: socket.socket, from_camera: bool) -> None:
        stamps = _Stamps()
        with source:
            while not self._over.is_set():
                try:
                    data = source.recv(20 if self.is_slow else 65536)
                except TimeoutError:
                    continue
                except OSError:
                    break
                if not data:
                    break
                if self.is_slow:
                    time.sleep(1.0)
                if from_camera:
                    data = stamps.shift(data, self.shift)
                    data = random.randbytes(len(data)) if self.is_noisy else data
                try:
                    if not self.is_black:
                        target.sendall(data)
                except OSError:
                    break
            while self.is_black and not self._over.wait(0.05):
                pass  # the other end is not told
            _shut(target)


class _Stamps:
    """Follows RTP packets interleaved in RTSP (RFC 2326, 10.12), to change their time."""

    def __init__(self) -> None:
        self._left = 0  # bytes of the packet that is going on
        self._waiting = b""

    def shift(self, data: bytes, units: int) -> bytes:
        data = self._waiting + data
        self._waiting = b""
        out = bytearray()
        while data:
            if self._left:
                out += data[: self._left]
                taken = min(self._left, len(data))
                self._left, data = self._left - taken, data[taken:]
            elif data[0] != 0x24:  # what the server says in words
                until = data.find(b"$")
                until = len(data) if until < 0 else until
                out, data = out + data[:until], data[until:]
            elif len(data) < 12:
                self._waiting, data = data, b""
            else:
                head = bytearray(data[:12])
                if head[1] % 2 == 0:  # RTP, not RTCP
                    at = int.from_bytes(head[8:12], "big") + units
                    head[8:12] = (at % (1 << 32)).to_bytes(4, "big")
                self._left = int.from_bytes(head[2:4], "big") - 8
                out, data = out + head, data[12:]
        return bytes(out)


def _shut(one: socket.socket) -> None:
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        return

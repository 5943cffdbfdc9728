import socket
import threading

import httpx
import pytest
from fastapi import FastAPI

from deploy.errors import PortError
from deploy.http.server import HttpServer, bind, url_of


def test_port_0_takes_a_free_one():
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert port > 0
        assert url_of(listener) == f"http://127.0.0.1:{port}"


def test_a_port_in_use_is_said_with_the_fix():
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(PortError, match=f"port {port} of 127.0.0.1 is in use.*server.port"):
            bind("127.0.0.1", port)


def test_an_address_of_somebody_else_is_said_with_the_fix():
    with pytest.raises(PortError, match=r"192\.0\.2\.1:0 cannot be listened at.*server.host"):
        bind("192.0.2.1", 0)


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_ipv6_stands_in_brackets():
    try:
        listener = bind("::1", 0)
    except PortError as error:
        pytest.skip(str(error))
    with listener:
        assert url_of(listener).startswith("http://[::1]:")


def test_it_serves_until_it_is_stopped():
    app = FastAPI()
    app.get("/")(lambda: {"watch": "word"})
    with bind("127.0.0.1", 0) as listener:
        server, stop = HttpServer(app, listener, drain_seconds=1.0), threading.Event()
        thread = threading.Thread(target=server.run, args=(stop,))
        thread.start()
        assert httpx.get(url_of(listener), trust_env=False, timeout=60).json() == {"watch": "word"}
        stop.set()
        thread.join(30)
        assert not thread.is_alive()

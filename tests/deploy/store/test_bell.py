import threading

from deploy.store.bell import Bell


def test_a_ring_before_the_wait_is_heard_once() -> None:
    bell = Bell()
    assert not bell.wait(0)
    bell.ring()
    bell.ring()
    assert bell.wait(0)
    assert not bell.wait(0)


def test_every_thread_hears_every_ring() -> None:
    bell, heard = Bell(), []
    threads = [threading.Thread(target=lambda: heard.append(bell.wait(30))) for _ in range(4)]
    for thread in threads[:2]:
        thread.start()
    bell.ring()
    for thread in threads[2:]:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert heard == [True] * 4

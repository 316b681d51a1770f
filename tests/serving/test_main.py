"""`trueodds serve` refuses what cannot work before Ray and vLLM start."""

import os
import socket
from contextlib import nullcontext

import pytest
import yaml

from trueodds_service.errors import ConfigError, StartError
from trueodds_service.serving import cluster, local, main
from trueodds_service.serving.systemd import Systemd


@pytest.fixture
def serve(tmp_path, weights, monkeypatch, capsys):
    """Runs it on an address; its exit status and what it said on stderr."""
    monkeypatch.setattr(main, "end_on_signals", lambda: None)

    def serve(listen, *, doors=None, **how):
        path = tmp_path / "serve.yaml"
        models = [{"name": "model", "weights": str(weights), "engine": {"backend": "fake"}}]
        content = {"listen": listen, "insecure": True, "models": models, **(doors or {})}
        path.write_text(yaml.safe_dump(content))
        return main.run(path, **how), capsys.readouterr().err

    return serve


def test_an_address_in_use_is_named(serve):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        status, said = serve(address)
    assert status == 1
    assert said == f"error: listen: {address}: cannot be listened on (Address already in use)\n"


@pytest.mark.parametrize("address", ["192.0.2.1:50051", "nowhere.invalid:50051", "[::g]:50051"])
def test_an_address_of_another_machine_is_named(serve, address):
    status, said = serve(address)
    assert status == 1
    assert said.startswith(f"error: listen: {address}: cannot be listened on (")


class Running:
    """A service whose states are ``told`` one after the other, and then a signal comes."""

    address = "[::1]:50051"

    def __init__(self, *told):
        self._told = iter(told)
        self.updates = []
        self.is_updating = self.update_failed = False
        self.is_answering = True

    def update(self, settings):
        self.updates.append(settings)
        self.is_updating = True

    def states(self):
        for states in self._told:
            if isinstance(states, Exception):
                raise states
            if callable(states):
                states(self)
                continue
            return states
        raise SystemExit


@pytest.fixture
def serving(monkeypatch):
    """Makes `serve` run that service."""

    def serving(*told):
        running = Running(*told)
        monkeypatch.setattr(local, "serving", lambda _: nullcontext(running))
        monkeypatch.setattr(cluster, "serving", lambda *asked: nullcontext(joined(asked, running)))
        monkeypatch.setattr(main.Signals, "take", lambda _: None)
        monkeypatch.setattr(main, "_POLL_SECONDS", 0.0)
        return running

    def joined(asked, running):
        running.joined = asked
        return running

    return serving


def test_a_signal_is_a_good_end(serve, serving):
    serving({"model": ("READY", "")})
    assert serve("127.0.0.1:0") == (0, "")


def test_where_every_model_has_failed_it_ends_with_the_causes(serve, serving):
    serving({"a": ("FAILED", "no memory"), "b": ("FAILED", "no file")})
    told = "error: the service did not come up\n  a: no memory\n  b: no file\n"
    assert serve("127.0.0.1:0") == (1, told)


def test_one_model_that_comes_up_is_served(serve, serving):
    serving({"a": ("FAILED", "no memory"), "b": ("READY", "")})
    assert serve("127.0.0.1:0") == (0, "")


def test_where_no_gateway_is_left_it_ends_with_a_status(serve, serving):
    lost = {"a": ("LOST", "no gateway answers; they are being replaced")}
    serving({"a": ("READY", "")}, lost, StartError("the service has ended: why"))
    ended = serve("127.0.0.1:0")
    assert ended == (1, "error: the service has ended: why\n")


def test_on_a_cluster_no_port_of_this_machine_is_held(serve, serving):
    running = serving({"model": ("READY", "")})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert serve(address, ray_address="10.0.0.1:6379") == (0, "")
    settings, joined = running.joined
    assert (settings.listen, joined) == (address, "10.0.0.1:6379")
    status, said = serve("NODE:0", ray_address="10.0.0.1:6379")
    assert (status, said) == (
        1,
        "error: listen: NODE:0: has to name a port, which all gateways have\n",
    )


def first_wrong_then_right():
    """Reads the configuration again, twice."""
    read = iter([ConfigError("models.0.name: no name"), "settings"])

    def read_again():
        found = next(read)
        if isinstance(found, Exception):
            raise found
        return found

    return read_again


def steps(signals):
    """In a service's states: a signal to change it, the change's end, and a signal to stop."""

    def change(running):
        signals.reload.set()

    def done(running):
        running.is_updating = False

    def stop(running):
        signals.stop.set()

    return change, done, stop


def test_at_a_signal_the_configuration_is_read_again_and_a_wrong_one_changes_nothing(
    serving, monkeypatch, capsys
):
    signals, ready = main.Signals(), {"model": ("READY", "")}
    change, done, stop = steps(signals)

    running = serving(ready, change, ready, change, ready, ready, done, ready, stop, ready)
    main._watch(running, signals, first_wrong_then_right(), Systemd())
    assert capsys.readouterr().out.splitlines() == [
        "ready: model",
        "not updated: models.0.name: no name",
        "updating …",
        "updated",
    ]
    assert running.updates == ["settings"]


def test_what_is_read_again_listens_where_the_service_does(serve, serving, monkeypatch):
    found = []
    monkeypatch.setattr(main, "_watch", lambda running, _, read, __: found.append(read()))
    serving()
    assert serve("127.0.0.1:0") == (0, "")
    assert found[0].listen.startswith("127.0.0.1:")
    assert found[0].listen != "127.0.0.1:0"


def test_a_door_that_is_not_named_any_more_is_closed(serve, serving, monkeypatch, tmp_path):
    found = []

    def watch(_, __, read, ___):
        path = tmp_path / "serve.yaml"
        content = yaml.safe_load(path.read_text())
        found.append(read())
        del content["http"]
        path.write_text(yaml.safe_dump(content))
        found.append(read())

    monkeypatch.setattr(main, "_watch", watch)
    serving()
    assert serve("127.0.0.1:0", doors={"http": "127.0.0.1:0"}) == (0, "")
    assert found[0].http not in (None, "127.0.0.1:0")
    assert found[1].http is None


@pytest.fixture
def heard(tmp_path, monkeypatch):
    """What systemd has heard since the last call, but for states in short."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        listener.setblocking(False)
        monkeypatch.setitem(os.environ, "NOTIFY_SOCKET", path)

        def heard():
            messages = []
            try:
                while True:
                    messages.append(listener.recv(4096).decode().partition("\n")[0])
            except BlockingIOError:
                return [each for each in messages if not each.startswith("STATUS=")]

        yield heard


def note(seen, heard):
    """In a service's states: notes what systemd has heard before."""
    return lambda _: seen.append(heard())


def test_systemd_takes_it_as_started_once_it_listens_whatever_a_model_does(serve, serving, heard):
    seen, starting, ready = [], ("STARTING", ""), ("READY", "")
    look = note(seen, heard)
    serving(
        *({"a": starting, "b": starting}, look, {"a": ready, "b": starting}, look),
        *({"a": ready, "b": ("FAILED", "no memory")}, look),
    )
    assert serve("127.0.0.1:0") == (0, "")
    assert seen == [["READY=1"], [], []]
    assert heard() == ["STOPPING=1"]


def test_where_no_model_comes_up_systemd_never_takes_it_as_started(serve, serving, heard):
    serving({"a": ("FAILED", "no memory")})
    assert serve("127.0.0.1:0")[0] == 1
    assert heard() == ["STOPPING=1"]


def test_the_watchdog_hears_nothing_while_no_gateway_answers(serve, serving, heard, monkeypatch):
    monkeypatch.setitem(os.environ, "WATCHDOG_USEC", "1")
    seen, states = [], {"model": ("READY", "")}
    look = note(seen, heard)

    def silent(running):
        running.is_answering = False

    def back(running):
        running.is_answering = True

    serving(states, look, states, look, silent, states, states, look, back, states, look)
    assert serve("127.0.0.1:0") == (0, "")
    assert seen == [["WATCHDOG=1", "READY=1"], ["WATCHDOG=1"], [], ["WATCHDOG=1"]]


def test_systemd_is_told_of_a_change_until_it_is_done_or_refused(serving, heard, capsys):
    seen, signals, ready = [], main.Signals(), {"model": ("READY", "")}
    look, systemd = note(seen, heard), Systemd.of_environment()
    change, done, stop = steps(signals)

    running = serving(
        *(change, {"model": ("STARTING", "")}, look),  # before it has started
        *(ready, look, change, ready, ready, look, done, ready, look, stop, ready),
    )
    main._watch(running, signals, first_wrong_then_right(), systemd)
    assert seen == [["READY=1"], [], ["RELOADING=1"], ["READY=1"]]
    assert running.updates == ["settings"]
    capsys.readouterr()

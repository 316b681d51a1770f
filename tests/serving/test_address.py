"""One service an address: also where two start at the same moment with several gateways."""

import socket
from contextlib import ExitStack
from threading import Barrier, Thread

import pytest

from trueodds_service.config import Settings
from trueodds_service.errors import ConfigError
from trueodds_service.serving.address import (
    check_address,
    check_fixed,
    held_address,
    held_addresses,
    listening_on,
    on_node,
)


def gateway(address):
    """Listens as a gateway does."""
    host, _, port = address.rpartition(":")
    return socket.create_server((host, int(port)), reuse_port=True)


def refused(address):
    return pytest.raises(ConfigError, match=f"listen: {address} .*Address already in use")


def test_port_0_becomes_a_port_that_stays():
    with held_address("127.0.0.1:0") as address:
        host, _, port = address.rpartition(":")
        assert host == "127.0.0.1"
        assert 0 < int(port) < 2**16
    with held_address(address) as again:
        assert again == address


def test_while_it_is_held_gateways_may_listen_and_no_other_service():
    with held_address("127.0.0.1:0") as address, ExitStack() as stack:
        for listening in (0, 1, 2):
            with refused(address):
                stack.enter_context(held_address(address))
            with refused(address):
                check_address(address)
            if listening < 2:
                stack.enter_context(gateway(address))
    check_address(address)


def test_whoever_connects_reaches_a_gateway():
    with held_address("127.0.0.1:0") as address, gateway(address) as listening:
        listening.settimeout(10)
        for _ in range(20):
            with socket.create_connection(listening.getsockname()), listening.accept()[0]:
                pass


def test_where_a_gateway_ended_its_connections_the_address_is_free_at_once():
    with held_address("127.0.0.1:0") as address, gateway(address) as listening:
        caller = socket.create_connection(listening.getsockname())
        listening.accept()[0].close()  # first: its end stays in TIME_WAIT
        assert caller.recv(1) == b""
        caller.close()
    with held_address(address), gateway(address):
        pass


def test_of_many_that_start_at_the_same_moment_one_gets_it():
    with held_address("127.0.0.1:0") as address:
        pass
    together, told = Barrier(8), []

    def start():
        together.wait()
        try:
            with held_address(address):
                told.append("held")
                together.wait()
        except ConfigError:
            told.append("refused")
            together.wait()

    threads = [Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["held"] + ["refused"] * 7


@pytest.mark.parametrize(
    ("listen", "address", "found"),
    [
        ("NODE:50051", "10.0.0.7", "10.0.0.7:50051"),
        ("NODE:50051", "fd00::7", "[fd00::7]:50051"),
        ("0.0.0.0:50051", "10.0.0.7", "0.0.0.0:50051"),
        ("[::]:50051", "10.0.0.7", "[::]:50051"),
    ],
)
def test_each_node_of_a_cluster_has_an_address_of_its_own(listen, address, found):
    assert on_node(listen, address) == found


def test_a_cluster_needs_a_port_and_one_machine_an_address():
    check_fixed("NODE:50051")
    with pytest.raises(ConfigError, match="NODE:0 has to name a port"):
        check_fixed("NODE:0")
    with pytest.raises(ConfigError, match="NODE:50051 is for clusters"):
        check_address("NODE:50051")


def test_each_door_has_an_address_of_its_own_that_is_held():
    both = Settings.model_construct(listen="127.0.0.1:0", http="NODE:0")
    with pytest.raises(ConfigError, match="http: NODE:0 is for clusters"), held_addresses(both):
        pass
    both = both.model_copy(update={"http": "127.0.0.1:0"})
    with held_addresses(both) as held:
        assert set(held) == {"listen", "http"}
        with pytest.raises(ConfigError, match=r"http: .* cannot be listened on"):
            check_address(held["http"], "http")
    assert (
        listening_on(both.model_copy(update={"http": "NODE:80"}), "10.0.0.7").http == "10.0.0.7:80"
    )


def test_what_can_be_no_host_s_name_is_told():
    with pytest.raises(ConfigError, match=r"listen: a\.\.b:80 .* \(no host has that name\)"):
        check_address("a..b:80")

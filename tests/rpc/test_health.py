"""Health and reflection, as tools of others expect them."""

import threading

import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from trueodds.v1 import model_pb2
from trueodds_service.engine.fake import FakeEngine
from trueodds_service.rpc.health import SERVICES

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
MODELS = ["models/aligned", "models/base"]
SCORING, CALIBRATION, MODEL = SERVICES
NAMES = ["", "ready", *SERVICES, *MODELS]


def health(service):
    """The state of everything that has one."""
    return {
        name: service.health.Check(health_pb2.HealthCheckRequest(service=name)).status
        for name in NAMES
    }


def test_the_contract_has_these_services():
    assert {*SERVICES} == {
        f"trueodds.v1.{name}Service" for name in ("Scoring", "Calibration", "Model")
    }


def test_the_process_lives_and_lists_its_models_before_any_is_ready(start_service):
    service = start_service(ready=False)
    not_ready = dict.fromkeys(["ready", SCORING, CALIBRATION, *MODELS], NOT_SERVING)
    assert health(service) == {"": SERVING, MODEL: SERVING, **not_ready}
    assert len(service.models.ListModels(model_pb2.ListModelsRequest()).models) == 2


@pytest.mark.parametrize("way", ["lost", "failed"])
def test_a_model_that_is_down_takes_no_service_from_the_others(start_service, question, way):
    service = start_service(ready=False)
    service.model_ready("aligned", FakeEngine())
    one_is_missing = {
        **dict.fromkeys(NAMES, SERVING),
        **dict.fromkeys(["ready", "models/base"], NOT_SERVING),
    }
    assert health(service) == one_is_missing
    service.model_ready("base", FakeEngine())
    assert {*health(service).values()} == {SERVING}
    down = service.app.model_lost if way == "lost" else service.app.model_failed
    cause = [] if way == "lost" else ["a cause"]
    service.run(down("base", *cause))
    assert health(service) == one_is_missing
    assert service.score(question()).options
    service.run(down("aligned", *cause))
    assert {name for name, state in health(service).items() if state == SERVING} == {"", MODEL}


def test_who_watches_is_told(start_service):
    service = start_service(ready=False)
    watch = service.health.Watch(health_pb2.HealthCheckRequest(service="models/aligned"))
    assert next(watch).status == NOT_SERVING
    service.model_ready("aligned", FakeEngine())
    assert next(watch).status == SERVING
    watch.cancel()


def test_who_watches_a_service_that_stops_is_told_before_it_has_stopped(start_service):
    """So that a balancer sends nothing more to it while what is under way ends."""
    service = start_service()
    watches = [service.health.Watch(health_pb2.HealthCheckRequest(service=name)) for name in NAMES]
    assert [next(watch).status for watch in watches] == [SERVING] * len(watches)
    stopping = threading.Thread(target=service.run, args=(service.app.stop(50),))
    stopping.start()
    try:
        assert [next(watch).status for watch in watches] == [NOT_SERVING] * len(watches)
        assert stopping.is_alive()
    finally:
        for watch in watches:
            watch.cancel()
        stopping.join()


@pytest.mark.parametrize("name", ["models/other", "trueodds.v1.OtherService", "x"])
def test_the_health_of_what_is_not_there(service, name):
    with pytest.raises(grpc.RpcError) as caught:
        service.health.Check(health_pb2.HealthCheckRequest(service=name))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


@pytest.fixture
def reflect(service):
    """Asks the reflection service one thing."""
    stub = reflection_pb2_grpc.ServerReflectionStub(service.channel)

    def reflect(**asked):
        request = reflection_pb2.ServerReflectionRequest(**asked)
        [response] = stub.ServerReflectionInfo(iter([request]))
        return response

    return reflect


def test_reflection_lists_the_services(reflect):
    listed = {each.name for each in reflect(list_services="").list_services_response.service}
    assert listed == {
        *SERVICES,
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }


@pytest.mark.parametrize("name", SERVICES)
def test_reflection_describes_a_service_with_its_methods(reflect, name):
    found = reflect(file_containing_symbol=name).file_descriptor_response.file_descriptor_proto
    files = [descriptor_pb2.FileDescriptorProto.FromString(each) for each in found]
    services = {f"{file.package}.{each.name}": each for file in files for each in file.service}
    assert services[name].method

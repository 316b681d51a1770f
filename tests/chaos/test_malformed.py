"""What is spoilt is a method's own request, which was right before."""

import random

import grpc
import pytest
from google.protobuf.message import DecodeError
from verification.chaos.alone import gateway
from verification.chaos.malformed import Requests
from verification.fuzz.calls import METHODS, Call, send


@pytest.fixture(scope="module")
def asked():
    with gateway() as target, grpc.insecure_channel(target.address) as channel:
        yield Requests.about(target), channel


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_each_method_is_sent_plausible_requests_of_its_own(asked, method):
    requests, channel = asked
    drawn = random.Random(0)
    sent = [requests.plausible(method, drawn) for _ in range(20)]
    assert {type(each) for messages in sent for each in messages} == {method.request}
    contents = [[each.SerializeToString() for each in messages] for messages in sent]
    calls = (Call(method, first, more=more) for first, *more in contents)
    codes = {send(channel, [call])[0].code for call in calls}
    if method.name == "CheckCalibrator":
        return  # here is no teacher to check one with
    # What is right about a calibrator may be refused for its state alone.
    assert codes & {grpc.StatusCode.OK, grpc.StatusCode.FAILED_PRECONDITION}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_of_a_stream_one_message_is_spoilt_wherever_it_is(method):
    requests = Requests("models/demo/calibrators/0f", b"none", "models/demo/calibrators/0e")
    places = set()
    for seed in range(200):
        contents = requests.spoilt(method, random.Random(seed))
        assert (len(contents) > 1) == method.streams_requests
        places |= {place for place, each in enumerate(contents) if not _is_message(method, each)}
    assert places == (set(range(5)) if method.streams_requests else {0})


def _is_message(method, content):
    try:
        method.request.FromString(content)
    except DecodeError:
        return False
    return True

"""The service in this process: a fake engine, a temporary store, a real gRPC server."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import ascii_letters
from typing import TYPE_CHECKING

import grpc
import pytest
import trustme
from google.rpc import code_pb2, error_details_pb2
from grpc_health.v1 import health_pb2_grpc
from grpc_status import rpc_status
from tests.certificates import Files
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from trueodds.v1 import (
    calibration_pb2_grpc,
    model_pb2_grpc,
    question_pb2,
    reading_pb2,
    scoring_pb2,
    scoring_pb2_grpc,
)
from trueodds_service.app import App
from trueodds_service.config import Settings
from trueodds_service.engine.start import start_engine
from trueodds_service.flows import catalog as catalog_module

if TYPE_CHECKING:
    from tests.postgres import Postgres

SHARPNESS = 3.0
"""The temperature between the fake aligned model and its teacher."""

_TEXT = [
    f"Which one is it?\nA. one\nB. two\nAnswer: {letter}\n\nAnswer: ({letter})\n"
    for letter in ascii_letters
]

_CHAT_TEMPLATE = """\
{%- for message in messages %}{{ message.role }}: {{ message.content }}<|end|>{% endfor %}
{%- if add_generation_prompt %}assistant:{% endif %}"""


@pytest.fixture(scope="session")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def own(ca: trustme.CA) -> trustme.LeafCert:
    """The certificate of a service at localhost and 127.0.0.1."""
    return ca.issue_cert("localhost", "127.0.0.1")


@pytest.fixture
def files(tmp_path: Path, own: trustme.LeafCert, ca: trustme.CA) -> Files:
    return Files(tmp_path).write(own, ca)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder: a byte-level BPE tokenizer with "<|end|>", a chat template, and weights
    of no use.
    """
    folder = tmp_path_factory.mktemp("model")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        show_progress=False,
        special_tokens=["<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(_TEXT, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|end|>",  # noqa: S106 (a token of another kind)
        chat_template=_CHAT_TEMPLATE,
    )
    fast.save_pretrained(folder)
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


@pytest.fixture(scope="session")
def postgres_server() -> "Iterator[Postgres]":
    """A PostgreSQL server that the tests share."""
    from tests import postgres  # noqa: PLC0415 (only for those who ask for it)

    with postgres.running() as server:
        yield server


def score_settings(*, format=None, **settings):  # noqa: A002
    """Settings for the aligned model unless told; a format is the whole reading."""
    if format is not None:
        settings["reading"] = reading_pb2.Reading(format=format)
    return scoring_pb2.ScoreSettings(**{"model": "models/aligned", **settings})


@dataclass
class Service:
    """A running service, and stubs that talk to it over a channel."""

    app: App
    channel: grpc.Channel
    run: Callable

    @property
    def url(self):
        """Where its HTTP door is, if it has one."""
        return f"http://{self.app.http_address}"

    def __post_init__(self):
        self.scoring = scoring_pb2_grpc.ScoringServiceStub(self.channel)
        self.calibration = calibration_pb2_grpc.CalibrationServiceStub(self.channel)
        self.models = model_pb2_grpc.ModelServiceStub(self.channel)
        self.health = health_pb2_grpc.HealthStub(self.channel)

    def model_ready(self, name, engine):
        self.run(self.app.model_ready(name, engine, engine.info))

    def score(self, question, **settings):
        """The answer to one question, from the aligned model unless told."""
        settings = score_settings(**settings)
        request = scoring_pb2.ScoreRequest(settings=settings, question=question)
        return self.scoring.Score(request).answer

    def batch(self, questions, **settings):
        """The outcomes of a batch, from the aligned model unless told."""
        settings = score_settings(**settings)
        request = scoring_pb2.BatchScoreRequest(settings=settings, questions=questions)
        outcomes = self.scoring.BatchScore(request).outcomes
        assert len(outcomes) == len(questions), "a test that looks at each would look at none"
        return outcomes


@pytest.fixture(scope="session")
def run() -> Iterator[Callable]:
    """Runs a coroutine in the one event loop, in a thread, that every service here lives in."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result(240)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@contextmanager
def _serving(
    weights,
    run,
    store,
    *,
    ready=True,
    engines=None,
    max_tokens=2048,
    credentials=None,
    tracing=None,
    **settings,
):
    fake = {"backend": "fake", "seed": 7, "max_tokens": max_tokens}
    aligned = {"name": "aligned", "teacher": "base", "engine": {**fake, "sharpness": SHARPNESS}}
    base = {"name": "base", "engine": fake}
    settings = Settings.model_validate(
        {
            "listen": "127.0.0.1:0",
            "store": store if isinstance(store, str) else f"sqlite:///{store}",
            "models": [{**aligned, "weights": weights}, {**base, "weights": weights}],
            **settings,
        }
    )

    async def start():
        app = App(settings, tracing=tracing)
        await app.start()
        for model in settings.models if ready else ():
            engine = (engines or {}).get(model.name) or start_engine(model)
            await app.model_ready(model.name, engine, engine.info)
        return app

    app = run(start())
    try:
        with _channel(app.address, credentials) as channel:
            yield Service(app, channel, run)
    finally:
        run(app.stop(0))


def _channel(address, credentials):
    if credentials is None:
        return grpc.insecure_channel(address)
    return grpc.secure_channel(address, credentials)


@pytest.fixture
def start_service(weights, run, tmp_path):
    """Starts a service: ``ready=False`` leaves its models starting, ``engines`` replaces some.

    ``max_tokens`` is what the fake engines take; with ``credentials`` its stubs speak TLS, and
    with ``tracing`` it leaves spans. Other arguments are settings. All services of a test share a
    store unless told; it is a file or a URL.
    """
    started = []

    def start(*, store=tmp_path / "store.sqlite", **options) -> Service:
        serving = _serving(weights, run, store, **options)
        started.append(serving)
        return serving.__enter__()

    yield start
    for serving in reversed(started):
        serving.__exit__(None, None, None)


@pytest.fixture
def no_replacement(monkeypatch):
    """Nobody waits for the replacement of a lost engine: as when it does not come."""
    monkeypatch.setattr(catalog_module, "_PATIENCE_SECONDS", 0.05)


@pytest.fixture(scope="session")
def service(weights, run, tmp_path_factory) -> Iterator[Service]:
    """A service that the tests share; what a test stores there, it stores for its own task."""
    with _serving(weights, run, tmp_path_factory.mktemp("store") / "store.sqlite") as service:
        yield service


@pytest.fixture
def task(request) -> str:
    """A task that no other test uses."""
    return request.node.name[:200]


def _question(text="Which one is it?", options=4, labels=(), passage=""):
    names = list(labels) + [""] * (options - len(labels))
    return question_pb2.Question(
        text=text,
        passage=passage,
        options=[
            question_pb2.Option(text=f"option {index}", label=label)
            for index, label in enumerate(names)
        ],
    )


@pytest.fixture(scope="session")
def question():
    """Makes a question that nothing is wrong with."""
    return _question


def details_of(status) -> dict:
    """The reason, the domain, the field and the delay that a status carries."""
    found = {}
    for box in status.details:
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        if box.Unpack(info):
            found.update(reason=info.reason, domain=info.domain)
        elif box.Unpack(bad):
            [violation] = bad.field_violations
            found.update(field=violation.field)
        elif box.Unpack(retry):
            found.update(delay=retry.retry_delay.ToMilliseconds() / 1000)
    return found


@pytest.fixture(scope="session")
def details():
    """Reads the details of a google.rpc.Status."""
    return details_of


@pytest.fixture(scope="session")
def refused():
    """The call inside fails with this code, this field where one is given, and this reason."""

    @contextmanager
    def refused(code, *, field=None, reason=None):
        with pytest.raises(grpc.RpcError) as caught:
            yield caught
        error = caught.value
        assert error.code() == code, error.details()
        status = rpc_status.from_call(error)
        assert status is not None, "the status carries no details"
        assert status.code == code_pb2.Code.Value(code.name)
        assert status.message == error.details()
        found = details_of(status)
        assert found["domain"] == "trueodds"
        assert found["reason"]
        if field is not None:
            assert found["field"] == field
            assert error.details().startswith(f"{field}: ")
        if reason is not None:
            assert found["reason"] == reason

    return refused

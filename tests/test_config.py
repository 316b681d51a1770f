"""A configuration is right as a whole, or its first mistake is named."""

import re
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from trueodds_service.config import (
    MAX_LORA_RANK,
    AlertSettings,
    AnswerSettings,
    CascadeSettings,
    CertificateClient,
    DecisionSettings,
    FakeSettings,
    Limits,
    ModelDecisionSettings,
    ModelSettings,
    Observability,
    OutcomeSettings,
    ProposalSettings,
    Scaling,
    Settings,
    Tls,
    TracingSettings,
    VllmSettings,
    Webhook,
    load,
    read,
)
from trueodds_service.errors import ConfigError

MODEL = {"name": "aligned", "weights": "weights"}


@pytest.fixture
def write(tmp_path):
    """Writes a configuration file, text or settings, beside a model's folder."""
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "config.json").write_text("{}")

    def write(content) -> Path:
        path = tmp_path / "serve.yaml"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(yaml.safe_dump(content))
        return path

    return write


def _set(path, value):
    """Sets a setting, such as models.0.name, of a configuration."""

    def change(content):
        *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
        for parent in parents:
            content = content[parent]
        content[last] = value

    return change


def _engine(**settings):
    return _set("models.0.engine", settings)


BAD_SETTINGS = {
    "an unknown setting": (_set("liste", "x:1"), "liste"),
    "an unknown setting of a model": (_set("models.0.path", "x"), "models.0.path"),
    "an unknown limit": (_set("limits", {"max": 1}), "limits.max"),
    "an unknown setting of a quota": (
        _set("quotas", {"tenants": [{"name": "a", "key": {"request": 1}}]}),
        "quotas.tenants.0.key.request",
    ),
    "a tenant with two quotas": (
        _set("quotas", {"tenants": [{"name": "a"}, {"name": "a"}]}),
        "quotas.tenants",
    ),
    "a quota of nobody": (_set("quotas", {"default": {"key": {"requests": 1}}}), "quotas"),
    "an unknown backend": (_engine(backend="other"), "models.0.engine"),
    "a field of another backend than vLLM, the default": (
        _engine(seed=1),
        "models.0.engine.vllm.seed",
    ),
    "a setting of another backend": (
        _engine(backend="vllm", sharpness=2),
        "models.0.engine.vllm.sharpness",
    ),
    "no models": (_set("models", []), "models"),
    "models of another kind": (_set("models", "aligned"), "models"),
    "a model without weights": (_set("models.0", {"name": "aligned"}), "models.0.weights"),
    "a model without a name": (_set("models.0", {"weights": "weights"}), "models.0.name"),
    "weights of no model": (_set("models.0.weights", "."), "models"),
    "weights that are not there": (_set("models.0.weights", "nowhere"), "models"),
    "a webhook without a secret": (
        _set("alerts", {"webhook": {"url": "https://a.example"}}),
        "alerts.webhook",
    ),
    "a webhook with two secrets": (
        _set(
            "alerts",
            {"webhook": {"url": "https://a.example", "secret_file": "s", "secret_env": "S"}},
        ),
        "alerts.webhook",
    ),
    **{
        f"a webhook at {url}": (
            _set("alerts", {"webhook": {"url": url, "secret_env": "S"}}),
            "alerts.webhook.url",
        )
        for url in [
            "ftp://a.example",
            "https://",
            "https://user:word@a.example",
            "https://a.example:port",
            "https://a.example/a b",
        ]
    },
    "alerts that are looked for all the time": (
        _set("alerts", {"check_seconds": 0}),
        "alerts.check_seconds",
    ),
    "two models of one name": (_set("models", [MODEL, MODEL]), "models"),
    "a teacher that is not there": (_set("models.0.teacher", "base"), "models"),
    "its own teacher": (_set("models.0.teacher", "aligned"), "models.0"),
    "a price that only one has": (
        _set("models", [MODEL | {"price": 1}, MODEL | {"name": "base"}]),
        "models",
    ),
    "a price of nothing": (_set("models.0.price", 0), "models.0.price"),
    "a price that makes costs infinite": (_set("models.0.price", 1e308), "models.0.price"),
    "a cascade of what is no model": (
        _set("cascades", [{"name": "both", "models": ["aligned", "base"]}]),
        "cascades.0.models.1",
    ),
    "a cascade of a model and itself": (
        _set("cascades", [{"name": "both", "models": ["aligned", "aligned"]}]),
        "cascades.0: models",
    ),
    "a cascade of one model": (
        _set("cascades", [{"name": "both", "models": ["aligned"]}]),
        "cascades.0.models",
    ),
    "a cascade with a model's name": (
        _set("cascades", [{"name": "aligned", "models": ["aligned", "base"]}]),
        "cascades.0.name",
    ),
    "a cascade whose name is none": (
        _set("cascades", [{"name": "Both", "models": ["aligned", "base"]}]),
        "cascades.0: name",
    ),
    "an HTTP address without a port": (_set("http", "localhost"), "http"),
    "gRPC and HTTP at one port": (_set("http", "127.0.0.1:50051"), "http"),
    "the same by another name": (_set("http", "localhost:50051"), "http"),
    "metrics at the port of gRPC": (_set("metrics", "localhost:50051"), "metrics"),
    "a listening address without a port": (_set("listen", "localhost"), "listen"),
    "a port alone": (_set("listen", ":50051"), "listen"),
    "a port that is no number": (_set("listen", "localhost:http"), "listen"),
    "a port too high": (_set("listen", "localhost:65536"), "listen"),
    "a port below zero": (_set("listen", "localhost:-1"), "listen"),
    "a port in other digits": (_set("listen", "localhost:²"), "listen"),
    **{
        f"the name {name!r}": (_set("models.0.name", name), "models.0: name")
        for name in ["", "Upper", "-first", "last-", "a b", "a/b", "é", "x" * 64, "a\n"]
    },
    **{
        f"limits.{name} of {value}": (_set("limits", {name: value}), f"limits.{name}")
        for name, value in {
            "max_items": 0,
            "max_options": 1,
            "max_shots": -1,
            "max_message_mib": 513,
            "max_concurrent_requests": 0,
        }.items()
    },
    "more options than engines read": (_set("limits", {"max_options": 129}), "limits.max_options"),
    **{
        f"vllm.{name} of {value}": (
            _engine(backend="vllm", **{name: value}),
            f"models.0.engine.vllm.{name}",
        )
        for name, value in {
            "dtype": "float8",
            "max_tokens": 15,
            "max_batch_tokens": 255,
            "max_sequences": 0,
            "kv_cache_gib": 0,
            "eager": "perhaps",
            "gpus": 1.5,
            "quantization": "int3",
            "block_tokens": 24,
            "block_hash": "md5",
            "async_scheduling": "perhaps",
            "gpu_memory_fraction": 1.1,
            "load_format": "random",
        }.items()
    },
    # YAML's yes, which would be 1.
    "a number that is true": (_set("limits", {"max_items": True}), "limits: max_items"),
    "a share that is true": (
        _set("decisions", {"min_option_mass": True}),
        "decisions: min_option_mass",
    ),
    "replicas that are true": (
        _engine(replicas={"min": True, "max": 2}),
        "models.0.engine.vllm.replicas: min",
    ),
    "no end of days": (_set("outcomes", {"keep_days": float("inf")}), "outcomes.keep_days"),
    "more days than there are": (_set("outcomes", {"keep_days": 1e6}), "outcomes.keep_days"),
    "more connections than there can be": (
        _set("limits", {"max_connections": 2**40}),
        "limits.max_connections",
    ),
    "a tenant's name that is none": (
        _set("quotas", {"tenants": [{"name": "Acme"}]}),
        "quotas.tenants.0.name",
    ),
    "a path that is none": (_set("models.0.weights", "a\0b"), "models.0: weights"),
    "a store that is none": (_set("store", "sqlite:///a\0b"), "store"),
    "three GPUs": (_engine(backend="vllm", gpus=3), "models.0.engine.vllm.gpus"),
    "no replica": (_engine(replicas=0), "models.0.engine.vllm.replicas.min"),
    "replicas in words": (_engine(replicas="many"), "models.0.engine.vllm.replicas"),
    "more than most": (
        _engine(replicas={"min": 3, "max": 2}),
        "models.0.engine.vllm.replicas",
    ),
    "no most": (_engine(replicas={"min": 3}), "models.0.engine.vllm.replicas.max"),
    "no gateway": (_set("gateways", 0), "gateways"),
    **{
        f"fake.{name} of {value}": (
            _engine(backend="fake", **{name: value}),
            f"models.0.engine.fake.{name}",
        )
        for name, value in {"seed": 0.5, "sharpness": 0, "max_tokens": 15}.items()
    },
}


@pytest.mark.parametrize(("change", "field"), BAD_SETTINGS.values(), ids=BAD_SETTINGS)
def test_a_bad_setting_is_named(write, change, field):
    content = {"models": [dict(MODEL)]}
    change(content)
    with pytest.raises(ConfigError) as caught:
        load(write(content))
    assert caught.value.message.split("serve.yaml: ")[-1].startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            _set("listne", "x:1"),
            "listne: is no setting; did you mean 'listen'? (there are ",
        ),
        (
            _set("models.0.wieghts", "x"),
            "models.0.wieghts: is no setting; did you mean 'weights'? (there are adapter, base, ",
        ),
        (_engine(dtpye="auto"), "models.0.engine.vllm.dtpye: is no setting; did you mean 'dtype'?"),
        (
            _engine(backend="fake", sed=1),
            "models.0.engine.fake.sed: is no setting; did you mean 'se",
        ),
        (
            _set("limits", {"max_item": 1}),
            "limits.max_item: is no setting; did you mean 'max_items'",
        ),
        (
            _set("outcomes", {"keep_day": 1}),
            "outcomes.keep_day: is no setting; did you mean 'keep_days'",
        ),
        (
            _engine(replicas={"mn": 1, "max": 2}),
            "models.0.engine.vllm.replicas.mn: is no setting; did you mean 'min'? "
            "(there are down_seconds, ",
        ),
        (
            _engine(processes=4),
            "models.0.engine.vllm.processes: is no setting; did you mean 'replicas'?",
        ),
        (_set("zzz", 1), "zzz: is no setting (there are "),
    ],
)
def test_a_misspelt_setting_is_told_its_neighbour(write, change, said):
    content = {"models": [dict(MODEL)]}
    change(content)
    with pytest.raises(ConfigError) as caught:
        load(write(content))
    assert said in caught.value.message


TLS = {"cert": "tls.crt", "key": "tls.key"}
FOR_ALL = {"listen": "0.0.0.0:50051"}
OPEN = {
    "every address": FOR_ALL,
    "one that others reach": {"listen": "10.0.0.7:50051"},
    "one of IPv6": {"listen": "[::]:50051"},
    "a name": {"listen": "scores.example:50051"},
    "each node's own": {"listen": "NODE:50051"},
    "with TLS, but for anybody": {**FOR_ALL, "tls": TLS},
}
CLOSED = {
    "loopback": {"listen": "127.0.0.1:50051"},
    "another loopback": {"listen": "127.0.0.2:50051"},
    "loopback of IPv6": {"listen": "[::1]:50051"},
    "localhost": {"listen": "localhost:50051"},
    "certificates of clients": {**FOR_ALL, "tls": {**TLS, "client_ca": "ca.crt"}},
    "what says so by name": {**FOR_ALL, "insecure": True},
}
# Prometheus asks without TLS and without a key, whatever callers have to show.
SECURED = {**FOR_ALL, "tls": {**TLS, "client_ca": "ca.crt"}}


@pytest.mark.parametrize("listening", OPEN.values(), ids=OPEN)
def test_open_to_other_machines_is_refused_unless_said_by_name(write, listening):
    with pytest.raises(ConfigError, match=r"open to other machines, .*client_ca.*insecure: true"):
        load(write({"models": [MODEL], **listening}))


@pytest.mark.parametrize("listening", CLOSED.values(), ids=CLOSED)
def test_what_is_not_open_to_all_is_taken(write, listening):
    assert load(write({"models": [MODEL], **listening})).listen == listening["listen"]


@pytest.mark.parametrize("address", ["0.0.0.0:9464", "10.0.0.7:9464", "[::]:9464", "NODE:9464"])
def test_metrics_for_other_machines_are_refused_unless_said_by_name(write, address):
    content = {"models": [MODEL], **SECURED, "metrics": address}
    with pytest.raises(ConfigError, match=r"metrics: .* is open to other .*insecure: metrics"):
        load(write(content))
    for said in ("metrics", True):
        assert load(write({**content, "insecure": said})).metrics == address


def test_metrics_for_this_machine_need_no_word(write):
    content = {"models": [MODEL], "metrics": "127.0.0.1:9464"}
    assert load(write(content)).metrics == "127.0.0.1:9464"


@pytest.mark.parametrize("listening", OPEN.values(), ids=OPEN)
def test_who_opens_metrics_opens_nothing_else(write, listening):
    with pytest.raises(ConfigError, match=r"listen: .* is open to other machines"):
        load(write({"models": [MODEL], **listening, "insecure": "metrics"}))


def test_insecure_is_none_of_these(write):
    with pytest.raises(ConfigError, match="insecure: Input should be False, True or 'metrics'"):
        load(write({"models": [MODEL], "insecure": "http"}))


def test_the_command_line_opens_nothing_that_the_file_does_not(write):
    with pytest.raises(ConfigError, match="is open to other machines"):
        load(write({"models": [MODEL]}), listen=FOR_ALL["listen"])


def test_certificates_are_named_relative_to_the_file(write, tmp_path):
    told = load(write({"models": [MODEL], "tls": {**TLS, "client_ca": "/etc/ca.crt"}})).tls
    assert (told.cert, told.key) == (tmp_path / "tls.crt", tmp_path / "tls.key")
    assert str(told.client_ca) == "/etc/ca.crt"


@pytest.mark.parametrize(
    ("named", "found"), [("secret", "{}/secret"), ("/etc/secret", "/etc/secret")]
)
def test_a_webhook_s_secret_is_named_relative_to_the_file(write, tmp_path, named, found):
    webhook = {"url": "https://alerts.example", "secret_file": named}
    told = load(write({"models": [MODEL], "alerts": {"webhook": webhook}})).alerts
    assert str(told.webhook.secret_file) == found.format(tmp_path)


def test_everything_that_is_wrong_is_told_with_its_folder(write, tmp_path):
    (tmp_path / "empty").mkdir()
    models = [{"name": "a", "weights": "nowhere"}, {"name": "b", "weights": "empty/../empty"}]
    path = write({"models": models})
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert caught.value.message == (
        f"{path}: models: the weights of 'a' are no folder ({tmp_path}/nowhere)\n"
        f"  models: the weights of 'b' lack a config.json ({tmp_path}/empty)"
    )
    with pytest.raises(ConfigError, match=r"weights: Field required\n  lisen: is no"):
        load(write({"lisen": "x:1", "models": [{"name": "a"}]}))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "mapping"),
        (b"- a\n- b\n", "mapping"),
        (b"just text", "mapping"),
        (b"models: [", "not YAML near line"),
        (b"a: 1\nb: ]\n", "not YAML near line 2"),
        (b"\xff\xfe\xfa", "cannot be read"),
        (b"a: !!python/object:os.system {}", "not YAML"),
        (b"listen: 2020-99-99", "not YAML"),
        (b"listen: !!int one", "not YAML"),
        (b"listen: !!timestamp one", "not YAML"),
        (b"[" * 5000, "not YAML"),
    ],
)
def test_a_file_that_is_no_configuration(write, content, problem):
    with pytest.raises(ConfigError, match=problem) as caught:
        load(write(content))
    assert "serve.yaml: " in caught.value.message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("limits: {max_items: 5}\nlimits: {max_shots: 6}", "limits is there twice: lines 2, 3"),
        ("limits:\n  max_items: 5\n  max_items: 6", "max_items is there twice: lines 3, 4"),
    ],
)
def test_a_setting_that_is_there_twice_is_refused(write, content, said):
    """YAML takes the last without a word."""
    model = "models: [{name: aligned, weights: weights}]\n"
    with pytest.raises(ConfigError) as caught:
        load(write(f"{model}{content}".encode()))
    assert caught.value.message.endswith(said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("limits: {max_items: 010}", "max_items: 010 on line 2 is 8 to YAML: "),
        ("limits: {max_items: +0_17}", "max_items: +0_17 on line 2 is 15 to YAML: "),
        ("outcomes:\n  keep_days: 1:30", "keep_days: 1:30 on line 3 is 90 to YAML: "),
        ("outcomes: {keep_days: 1:30.5}", "keep_days: 1:30.5 on line 2 is 90.5 to YAML: "),
    ],
)
def test_a_number_that_yaml_reads_as_another_is_refused(write, content, said):
    model = "models: [{name: aligned, weights: weights}]\n"
    with pytest.raises(ConfigError) as caught:
        load(write(f"{model}{content}".encode()))
    assert f"serve.yaml: {said}" in caught.value.message


@pytest.mark.parametrize("said", ["5_000", "5000", "0x1388", "'5000'", "'05000'"])
def test_a_number_may_be_written_in_other_ways(write, said):
    content = f"models: [{{name: aligned, weights: weights}}]\nlimits: {{max_items: {said}}}"
    assert load(write(content.encode())).limits.max_items == 5000


def test_what_is_merged_in_may_be_set_again(write):
    content = (
        b"models:\n- &first {name: a, weights: weights, engine: {seed: 1, backend: fake}}\n"
        b"- {<<: *first, name: b}"
    )
    assert [each.name for each in load(write(content)).models] == ["a", "b"]


def test_weights_that_are_links_in_a_circle(write, tmp_path):
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with pytest.raises(ConfigError, match="the weights of 'aligned' cannot be found"):
        load(write({"models": [{**MODEL, "weights": "circle"}]}))


def test_a_file_that_is_not_there(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read") as caught:
            load(path)
        assert str(path) in caught.value.message


def test_a_model_and_its_weights_are_all_that_is_needed(write):
    settings = load(write({"models": [MODEL]}))
    [model] = settings.models
    assert model.engine == VllmSettings()
    assert model.teacher is None
    assert settings.limits == Limits()
    assert settings.listen == "127.0.0.1:50051", "nobody else's machine unless told"


def test_what_the_file_says_is_what_holds(write):
    engine = {"backend": "fake", "seed": 3, "sharpness": 2.5}
    content = {
        "listen": "[::1]:0",
        "store": "postgresql://db/trueodds",
        "models": [
            {**MODEL, "name": "a", "teacher": "b.2_x-y", "engine": engine},
            {**MODEL, "name": "b.2_x-y", "engine": {"gpus": 0.5}},
        ],
        "limits": {"max_items": 5},
    }
    settings = load(write(content))
    assert settings.listen == "[::1]:0"
    assert settings.store == "postgresql://db/trueodds"
    assert [model.name for model in settings.models] == ["a", "b.2_x-y"]
    assert settings.models[0].teacher == "b.2_x-y"
    assert settings.models[0].engine == FakeSettings(**engine)
    assert settings.models[1].engine == VllmSettings(gpus=0.5)
    assert settings.limits.max_items == 5


@pytest.mark.parametrize("where", ["the file's folder", "another folder"])
def test_paths_are_relative_to_the_file(write, tmp_path, monkeypatch, where):
    path = write({"models": [MODEL], "store": "sqlite:///stores/own.sqlite"})
    if where == "the file's folder":
        monkeypatch.chdir(tmp_path)
        path = Path(path.name)
    settings = load(path)
    assert settings.models[0].weights == tmp_path / "weights"
    assert settings.store == f"sqlite:///{tmp_path}/stores/own.sqlite"


def test_absolute_paths_stay(write, tmp_path):
    store = f"sqlite:///{tmp_path}/elsewhere/own.sqlite"
    weights = str(tmp_path / "weights")
    settings = load(write({"models": [{**MODEL, "weights": weights}], "store": store}))
    assert settings.models[0].weights == tmp_path / "weights"
    assert settings.store == store


def test_settings_do_not_change(write):
    settings = load(write({"models": [MODEL]}))
    with pytest.raises(ValidationError):
        settings.listen = "0.0.0.0:1"
    with pytest.raises(ValidationError):
        settings.limits.max_items = 1


def test_an_address_of_the_command_goes_before_the_files(write):
    path = write({"models": [MODEL], "listen": "localhost:1"})
    assert load(path, listen="localhost:2").listen == "localhost:2"
    with pytest.raises(ConfigError, match="listen: 'nowhere' is not ADDRESS:PORT"):
        load(path, listen="nowhere")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "lacks an adapter_config.json"),
        ("{", "tells no rank"),
        ("[]", "tells no rank"),
        ('{"peft_type": "LORA"}', "tells no rank"),
        (f'{{"r": {MAX_LORA_RANK + 1}}}', f"rank {MAX_LORA_RANK + 1}; vLLM takes at most"),
        ('{"r": 0}', "rank 0"),
        ('{"r": "8"}', "rank 8"),
    ],
)
def test_an_adapter_that_vllm_cannot_take_is_named(write, tmp_path, content, why):
    (tmp_path / "lora").mkdir()
    if content is not None:
        (tmp_path / "lora" / "adapter_config.json").write_text(content)
    adapted = {"name": "adapted", "base": "aligned", "adapter": "lora"}
    with pytest.raises(ConfigError, match="'adapted'") as caught:
        load(write({"models": [MODEL, adapted]}))
    assert why in str(caught.value)


def test_an_adapter_of_the_largest_rank_is_fine(write, tmp_path):
    (tmp_path / "lora").mkdir()
    (tmp_path / "lora" / "adapter_config.json").write_text(f'{{"r": {MAX_LORA_RANK}}}')
    adapted = {"name": "adapted", "base": "aligned", "adapter": "lora"}
    settings = load(write({"models": [MODEL, adapted]}))
    assert settings.models[1].adapter == tmp_path / "lora"


PRODUCTION = Path(__file__).parents[1] / "deploy" / "production" / "serve.yaml"


def test_the_production_configuration_is_a_right_one():
    """But for its folders, which are not on this machine."""
    settings, problems = read(PRODUCTION)
    assert [model.name for model in settings.models] == [
        "llama-3.1-8b",
        "llama-3.1-8b-instruct",
        "reviews",
    ]
    assert all(problem.startswith("models: ") for problem in problems)


def test_the_production_configuration_has_every_setting_and_its_default():
    """A setting that is added to config is to be explained there."""
    content = yaml.safe_load(PRODUCTION.read_text())
    models = content["models"]
    written = {
        Settings: content,
        Limits: content["limits"],
        Tls: content["tls"],
        DecisionSettings: content["decisions"],
        Observability: content["observability"],
        OutcomeSettings: content["outcomes"],
        AnswerSettings: content["answers"],
        AlertSettings: content["alerts"],
        Webhook: content["alerts"]["webhook"],
        ProposalSettings: content["alerts"]["proposal"],
        CertificateClient: content["clients"][0],
        CascadeSettings: content["cascades"][0],
        ModelSettings: {name: value for model in models for name, value in model.items()},
        ModelDecisionSettings: models[1]["decisions"],
        VllmSettings: models[0]["engine"],
        Scaling: models[0]["engine"]["replicas"],
    }
    for kind, given in written.items():
        assert given.keys() == kind.model_fields.keys(), kind.__name__
    assert Limits(**content["limits"]) == Limits()
    assert DecisionSettings(**content["decisions"]) == DecisionSettings()
    assert ModelDecisionSettings(**models[1]["decisions"]) == ModelDecisionSettings()
    assert OutcomeSettings(**content["outcomes"]) == OutcomeSettings()
    assert AnswerSettings(**content["answers"]) == AnswerSettings()
    assert AlertSettings(**{**content["alerts"], "webhook": None}) == AlertSettings()
    assert Observability(**content["observability"]) == Observability()
    assert VllmSettings(**{**models[0]["engine"], "replicas": None}) == VllmSettings()
    assert Scaling(**models[0]["engine"]["replicas"]) == Scaling(max=4)
    usual = Settings(models=[MODEL])
    for name in ("insecure", "require_calibrated", "gateways", "tracing"):
        assert content[name] == getattr(usual, name)
    [example] = re.findall(r"^# tracing:\n(?:#   .*\n)+", PRODUCTION.read_text(), re.MULTILINE)
    tracing = yaml.safe_load(re.sub("^# ", "", example, flags=re.MULTILINE))["tracing"]
    assert tracing.keys() == TracingSettings.model_fields.keys()
    assert TracingSettings(**tracing) == TracingSettings(endpoint=tracing["endpoint"])

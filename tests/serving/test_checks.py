"""`trueodds check`, and what `trueodds serve` says in seconds: all that is wrong, by name."""

import json
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys

import pytest
import yaml

from trueodds_service.serving import checks, main
from trueodds_service.serving.address import held_address
from trueodds_service.store import upgrade


@pytest.fixture
def configure(tmp_path, weights):
    """Writes a configuration of one right model, changed as told."""

    def configure(**settings):
        path = tmp_path / "serve.yaml"
        models = [{"name": "good", "weights": str(weights), "engine": {"backend": "fake"}}]
        content = {"listen": "127.0.0.1:0", "models": models, **settings}
        path.write_text(yaml.safe_dump(content))
        return path

    return configure


@pytest.fixture
def check(configure, capsys):
    """Checks a configuration: the exit status, and the lines."""

    def check(*, is_running=False, **settings):
        status = main.check(configure(**settings), is_running=is_running)
        return status, capsys.readouterr().out.splitlines()

    return check


def wrong(lines):
    return [line.removeprefix("wrong  ") for line in lines if line.startswith("wrong  ")]


def test_what_is_right_is_a_line_each_and_leaves_nothing(check, tmp_path, weights):
    status, lines = check()
    assert status == 0
    assert lines == [
        "ok     listen: 127.0.0.1:0",
        f"ok     store: sqlite:///{tmp_path}/trueodds.sqlite",
        f"ok     model good: weights {weights}",
        f"ok     model good: config {weights}/config.json",
        f"ok     model good: tokenizer {weights}",
        lines[5],
        f"{tmp_path}/serve.yaml: nothing wrong",
    ]
    assert lines[5].startswith("ok     GPUs: ")
    assert [each.name for each in tmp_path.iterdir()] == ["serve.yaml"]


def test_beside_the_service_that_runs_its_ports_are_not_wrong(check):
    with held_address("127.0.0.1:0") as address:
        assert len(wrong(check(listen=address)[1])) == 1
        status, lines = check(listen=address, is_running=True)
    assert (status, wrong(lines)) == (0, [])


@pytest.fixture
def damaged(tmp_path, weights):
    """A model's folder without weights, and with a tokenizer that is cut off."""
    folder = tmp_path / "damaged"
    shutil.copytree(weights, folder)
    (folder / "model.safetensors").unlink()
    (folder / "tokenizer.json").write_text("{")
    (folder / "config.json").write_text('{"model_type": "gemma3_text"}')
    return folder


@pytest.fixture
def bad(damaged, weights):
    """Settings with a fault in each thing that is looked at."""
    return {
        "listen": "nowhere.invalid:1",
        "insecure": True,
        "store": "postgres://me:secret@db/x",
        "tls": {"cert": "absent.crt", "key": "absent.key"},
        "models": [
            {"name": "damaged", "weights": str(damaged)},
            {"name": "absent", "weights": "absent"},
            {"name": "greedy", "weights": str(weights), "engine": {"gpus": 1}},
            {"name": "greedy2", "weights": str(weights), "engine": {"gpus": 1}},
        ],
    }


def test_everything_that_is_wrong_is_told(check, bad, damaged, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    status, lines = check(**bad)
    assert status == 1
    assert "secret" not in "".join(lines)
    absent, listen, tls, store, weights, config, tokenizer, *others, gpus = wrong(lines)
    assert absent == f"models: the weights of 'absent' are no folder ({tmp_path}/absent)"
    assert listen.startswith("listen: nowhere.invalid:1")
    assert tls.endswith(
        f": tls.cert: {tmp_path}/absent.crt cannot be read (No such file or directory)"
    )
    assert store.startswith("store: postgres://me:***@db/x: ")
    assert "postgresql://" in store
    assert weights == f"model damaged: weights {damaged}: holds no weights (*.safetensors, *.bin)"
    assert config.startswith(
        f"model damaged: config {damaged}/config.json: names no `architectures`"
    )
    assert tokenizer.startswith(f"model damaged: tokenizer {damaged}: its tokenizer cannot be load")
    assert len(others) == 3, "of the folder that is not there"
    assert gpus == "GPUs: 0 here: model greedy: 1 replica of 1 GPU, 0 GPUs are here"
    assert lines[-1].endswith("serve.yaml: 11 wrong")


@pytest.mark.parametrize(
    ("file", "told", "method"),
    [
        ("config.json", {"quantization_config": {"quant_method": "awq"}}, "awq"),
        ("config.json", {"text_config": {"quantization_config": {"quant_method": "x"}}}, "x"),
        ("config.json", {"compression_config": {}}, "compressed-tensors"),
        ("hf_quant_config.json", {"quantization": {"quant_algo": "FP8"}}, "modelopt"),
    ],
)
def test_weights_that_are_quantized_already_are_not_quantized_again(
    check, tmp_path, weights, file, told, method
):
    folder = tmp_path / "quantized"
    shutil.copytree(weights, folder)
    config = json.loads((folder / "config.json").read_text()) if file == "config.json" else {}
    (folder / file).write_text(json.dumps({**config, **told}))
    model = {"name": "m", "weights": str(folder)}
    assert wrong(check(models=[model])[1]) == []
    assert wrong(check(models=[{**model, "engine": {"quantization": "fp8"}}])[1])[0] == (
        f"model m: quantization fp8: the weights are quantized already ({method}) and "
        "served as they are; leave it out"
    )


def test_serve_refuses_the_same_before_anything_starts(configure, damaged, capsys, monkeypatch):
    monkeypatch.setattr(main, "end_on_signals", lambda: None)
    models = [{"name": "damaged", "weights": str(damaged)}]
    assert main.run(configure(models=models, store="sqlite:////proc/x/s.sqlite")) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("error: store: sqlite:////proc/x/s.sqlite: ")
    assert said[1].startswith(f"  model damaged: weights {damaged}: ")
    assert said[2].startswith(f"  model damaged: config {damaged}/config.json: ")
    assert said[3].startswith(f"  model damaged: tokenizer {damaged}: ")
    assert len(said) == 4


@pytest.mark.parametrize(
    ("store", "why"),
    [
        ("postgres://me:secret@db/x", "postgresql://, the dialect's name"),
        ("postgresql://me:secret@db:port/x", "its URL cannot be read"),
        ("postgresql+pg8000://me:secret@nowhere.invalid/x", "asks for the driver pg8000"),
        ("postgresql://me:secret@nowhere.invalid/x", "failed to resolve host 'nowhere.invalid'"),
        ("sqlite:////proc/nowhere/s.sqlite", "/proc cannot be written: "),
        ("sqlite:///serve.yaml", "file is not a database"),
        ("sqlite:///.", "unable to open database file"),
    ],
)
def test_a_store_that_cannot_be_used_says_why(check, store, why):
    status, lines = check(store=store)
    assert status == 1
    [said] = wrong(lines)
    assert said.startswith("store: ")
    assert why in said
    assert "secret" not in said


def test_a_password_that_is_refused_is_told(check, postgres_server):
    good = postgres_server.database()
    assert check(store=good)[0] == 0
    status, lines = check(store=good.replace("secret", "another"))
    assert status == 1
    [said] = wrong(lines)
    assert said.endswith(': the database refused: password authentication failed for user "owner"')
    assert "another" not in said


def test_a_store_of_a_newer_version_is_told(check, tmp_path):
    upgrade(f"sqlite:///{tmp_path}/trueodds.sqlite")
    assert check()[0] == 0
    with sqlite3.connect(tmp_path / "trueodds.sqlite") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "the database is at revision 9999" in wrong(check()[1])[0]


def test_a_store_that_is_full_or_read_only_is_told(configure):
    """Where no file may grow: as on a full disk, and root is not exempt."""
    ended = subprocess.run(
        [sys.executable, "-m", "trueodds", "check", str(configure())],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
    )
    assert ended.returncode == 1, ended.stderr
    [said] = wrong(ended.stdout.splitlines())
    assert "cannot be written: File too large" in said


@pytest.mark.parametrize(
    ("files", "visible", "told"),
    [
        (2, None, "2 here"),
        (2, "1", "1 here"),
        (1, "0,1", "1 here"),
        (2, "", "0 here"),
        (None, "", "0 here"),
        (None, None, "not told by a driver here; Ray counts them when it starts"),
        (None, "0,1", "not told by a driver here; Ray counts them when it starts"),
    ],
)
def test_gpus_that_the_driver_does_not_tell_are_left_to_ray(
    check, tmp_path_factory, monkeypatch, files, visible, told
):
    folder = tmp_path_factory.mktemp("driver") / "gpus"
    for number in range(files or 0):
        (folder / str(number)).mkdir(parents=True)
    monkeypatch.setattr(checks, "_GPUS", folder)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert check()[1][5] == f"ok     GPUs: {told}"


def test_a_port_for_metrics_that_somebody_has(check):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        at = f"127.0.0.1:{taken.getsockname()[1]}"
        status, lines = check(metrics=at)
    assert status == 1
    assert [line.partition(": ")[0] for line in wrong(lines)] == ["metrics"]


def test_a_webhook_without_a_usable_secret_is_told(check, monkeypatch):
    webhook = {"url": "https://alerts.example:99/hook?token=7f", "secret_env": "HOOK"}
    monkeypatch.setenv("HOOK", "short")
    status, lines = check(alerts={"webhook": webhook})
    assert status == 1
    [line] = wrong(lines)
    assert line.startswith("webhook: https://alerts.example:99: ")
    assert "HOOK has to hold base64 of at least 24 bytes" in line
    assert "short" not in line
    monkeypatch.setenv("HOOK", "A" * 44)
    status, lines = check(alerts={"webhook": webhook})
    assert (status, lines[1]) == (0, "ok     webhook: https://alerts.example:99")

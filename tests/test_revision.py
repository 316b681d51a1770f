"""A revision is what the numbers of a model come from: no more, no less."""

import os
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueodds_service.errors import ConfigError
from trueodds_service.revision import cache, check_weights, model, model_revision, whole
from trueodds_service.revision.identity import Identity

FILES = {
    "config.json": b'{"model_type": "llama"}',
    "tokenizer.json": b"{}",
    "model.safetensors": bytes(range(256)) * 16,
}


@pytest.fixture
def make(tmp_path):
    """Makes a model's folder."""

    def make(name="model", **files):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        for file, content in {**FILES, **files.get("files", {})}.items():
            if content is not None:
                (folder / file).write_bytes(content)
        return folder

    return make


def test_a_revision_is_of_the_content_and_not_of_the_place(make):
    one, other = make("one"), make("deep/er/other")
    (other / "model.safetensors").touch()
    assert model_revision(one) == model_revision(other)
    assert model_revision(one) == model_revision(one)


@pytest.mark.parametrize("name", ["", "model.gguf"])
def test_weights_as_gguf_are_called_so(make, name):
    folder = make(files={"model.safetensors": None, "model.gguf": b"GGUF"})
    with pytest.raises(ConfigError, match="GGUF weights are not read by vLLM"):
        check_weights(folder / name)


def test_a_model_that_is_quantized_as_it_is_loaded_is_another(make):
    folder = make()
    assert model_revision(folder, quantization="none") == model_revision(folder)
    assert model_revision(folder, quantization="fp8") != model_revision(folder)


def test_a_checkpoint_that_is_quantized_is_another(make):
    """Even one whose weights' bytes are the same."""
    told = b'{"model_type": "llama", "quantization_config": {"quant_method": "fp8"}}'
    apart = b'{"quantization": {"quant_algo": "FP8"}}'
    folders = [
        make(),
        make("quantized", files={"config.json": told}),
        make("told apart", files={"hf_quant_config.json": apart}),
    ]
    assert len(set(map(model_revision, folders))) == 3


def test_a_revision_is_sixteen_hexadecimal_digits(make):
    assert len(model_revision(make())) == 16
    assert int(model_revision(make("other")), 16) >= 0


@pytest.mark.parametrize(
    "files",
    [
        {"config.json": b'{"model_type": "qwen2"}'},
        {"tokenizer.json": b"{ }"},
        {"model.safetensors": FILES["model.safetensors"][:-1] + b"\0"},
        {"model.safetensors": FILES["model.safetensors"] + b"\0"},
        {"model-2.safetensors": b"more"},
        {"model.safetensors": None, "other.safetensors": FILES["model.safetensors"]},
        {"tokenizer_config.json": b"{}"},
        {"special_tokens_map.json": b"{}"},
        {"tokenizer.model": b"sentencepiece"},
        {"vocab.json": b"{}"},
        {"merges.txt": b"a b"},
        {"model.safetensors.index.json": b"{}"},
        {"pytorch_model.bin": b"weights"},
        # The same bytes, with another border between the files.
        {"config.json": FILES["config.json"] + b"{}", "tokenizer.json": b""},
    ],
    ids=" ".join,
)
def test_what_decides_the_numbers_changes_the_revision(make, files):
    assert model_revision(make(files=files)) != model_revision(make("as it was"))


@pytest.mark.parametrize("file", ["README.md", "LICENSE", ".gitattributes", "figures.png"])
def test_what_does_not_does_not(make, file):
    assert model_revision(make(files={file: b"words"})) == model_revision(make("as it was"))


LARGE = 7 * 2**20 + 5


@pytest.fixture
def large(monkeypatch, tmp_path):
    """What counts as large is lowered: a file of a hundred GB is no test. Nothing is known yet."""
    monkeypatch.setattr(model, "_LARGE_BYTES", 2**20)
    monkeypatch.setattr(whole, "PART_BYTES", 2**20)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_known", {})


@pytest.fixture
def settled(monkeypatch):
    """The last write is long ago."""
    monkeypatch.setattr(Identity, "is_settled", lambda _: True)


@pytest.fixture
def reads(monkeypatch):
    """Counts the parts that are read."""
    read, counted = whole._part, []
    monkeypatch.setattr(whole, "_part", lambda *each: counted.append(each) or read(*each))
    return counted


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.integers(0, LARGE - 1))
def test_any_byte_of_large_weights_changes_the_revision(make, large, place):
    folder = make(f"at {place}", files={"model.safetensors": bytes(LARGE)})
    before = model_revision(folder)
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(place)
        file.write(b"\1")
    assert model_revision(folder) != before
    shutil.rmtree(folder)


def test_parts_are_of_their_place(make, large):
    parts = [bytes([each]) * 2**20 for each in range(4)]
    one, other = (b"".join(each) for each in (parts, parts[::-1]))
    revisions = {
        model_revision(make(str(number), files={"model.safetensors": content}))
        for number, content in enumerate((one, other))
    }
    assert len(revisions) == 2


def test_large_weights_are_read_once(make, large, settled, reads, monkeypatch):
    folder = make(files={"model.safetensors": bytes(LARGE)})
    progress = []
    first = model_revision(folder, progress=lambda *told: progress.append(told))
    assert len(reads) == len(progress) == 8
    assert progress[-1] == (LARGE, LARGE)
    monkeypatch.setattr(cache, "_known", {})  # as in another process
    assert model_revision(folder) == first
    assert len(reads) == 8
    # The same bytes in another file are the same revision, and are read.
    assert model_revision(make("copy", files={"model.safetensors": bytes(LARGE)})) == first
    assert len(reads) == 16


def test_a_write_is_seen_whatever_time_it_claims(make, large, settled):
    """``touch -r`` and ``cp -p`` set the time of a file, and the size need not change."""
    folder = make(files={"model.safetensors": bytes(LARGE)})
    weights = folder / "model.safetensors"
    before, stat = model_revision(folder), weights.stat()
    weights.write_bytes(bytes(LARGE - 1) + b"\1")
    os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert weights.stat().st_mtime_ns == stat.st_mtime_ns
    assert model_revision(folder) != before


def test_what_was_just_written_is_not_kept(make, large, reads):
    """Another write can fall into the same tick of the clock."""
    folder = make(files={"model.safetensors": bytes(LARGE)})
    for times in (1, 2):
        model_revision(folder)
        assert len(reads) == 8 * times


@pytest.mark.usefixtures("large", "settled")
@pytest.mark.parametrize("content", ["", "{", "[]", '{"identity": [], "digest": "0"}'])
def test_a_damaged_cache_is_passed_over(make, reads, monkeypatch, tmp_path, content):
    folder = make(files={"model.safetensors": bytes(LARGE)})
    first = model_revision(folder)
    [kept] = (tmp_path / "cache").rglob("*.json")
    kept.write_text(content)
    monkeypatch.setattr(cache, "_known", {})
    assert model_revision(folder) == first
    assert len(reads) == 16


def test_without_a_cache_folder_it_works_all_the_same(make, large, settled, reads, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    folder = make(files={"model.safetensors": bytes(LARGE)})
    assert model_revision(folder) == model_revision(folder)
    assert len(reads) == 8, "this process knows it"


def test_weights_that_change_while_they_are_read_have_no_revision(make, large, monkeypatch):
    folder = make(files={"model.safetensors": bytes(LARGE)})
    read = whole._part

    def meddle(path, start):
        with path.open("ab") as file:
            file.write(b"\0")
        return read(path, start)

    monkeypatch.setattr(whole, "_part", meddle)
    with pytest.raises(ConfigError, match=r"model.safetensors changed while it was read"):
        model_revision(folder)


def test_small_models_keep_the_revision_that_they_have_always_had(make):
    """Calibrators of before are found by it."""
    assert model_revision(make()) == "7962ca976c945ee9"


def test_a_folder_without_weights_has_no_revision(make, tmp_path):
    folder = make(files={"model.safetensors": None})
    for each in (folder, tmp_path / "nowhere"):
        with pytest.raises(ConfigError, match=f"{each.name}: holds no weights"):
            model_revision(each)


def test_an_index_of_weights_holds_none(make):
    with pytest.raises(ConfigError, match="holds no weights"):
        model_revision(
            make(files={"model.safetensors": None, "model.safetensors.index.json": b"{}"})
        )


def test_a_folder_within_is_not_of_the_model(make):
    folder = make()
    before = model_revision(folder)
    (folder / "tokenizer").mkdir()
    assert model_revision(folder) == before


def test_a_file_that_cannot_be_read_is_named_by_its_folder(make):
    folder = make()
    (folder / "vocab.txt").symlink_to("nowhere")
    with pytest.raises(ConfigError, match="model: cannot be read"):
        model_revision(folder)

"""A revision is what the numbers of a model come from: no more, no less."""

import pytest

from trueodds_service import revision
from trueodds_service.errors import ConfigError
from trueodds_service.revision import model_revision

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


@pytest.mark.parametrize("place", [0, 7 * 2**20 // 2, 7 * 2**20 - 1])
def test_large_weights_are_sampled_from_end_to_end(make, monkeypatch, place):
    """What counts as large is lowered, for a file of a hundred GB is no test."""
    monkeypatch.setattr(revision, "_WHOLE_BYTES", 2**20)
    weights = bytearray(7 * 2**20)
    before = model_revision(make("before", files={"model.safetensors": weights}))
    weights[place] = 1
    assert model_revision(make("after", files={"model.safetensors": weights})) != before


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

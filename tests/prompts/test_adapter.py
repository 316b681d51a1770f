"""A LoRA adapter that brings a tokenizer or a chat template of its own."""

import json
import shutil

import pytest
from transformers import AutoTokenizer

from trueodds_service.prompts.formats import LETTER
from trueodds_service.prompts.loading import load_files
from trueodds_service.prompts.question import ChatPrompt, Question
from trueodds_service.prompts.reading import Reading
from trueodds_service.prompts.tokenizer import PromptTokenizer
from trueodds_service.revision import tokenizer_revision


@pytest.fixture
def base(weights, tmp_path):
    folder = shutil.copytree(weights, tmp_path / "base")
    size = len(AutoTokenizer.from_pretrained(folder))
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "vocab_size": size + 1}))
    return folder


@pytest.fixture
def adapter(base, tmp_path):
    """Saves the base's tokenizer, with more tokens, beside an adapter."""

    def save(*tokens):
        tokenizer = AutoTokenizer.from_pretrained(base)
        tokenizer.add_tokens(list(tokens))
        tokenizer.chat_template = "{{ messages[0].content }}!\n"
        tokenizer.save_pretrained(tmp_path / "adapter")
        return tmp_path / "adapter"

    return save


def prompt(weights, adapter):
    tokenizer = PromptTokenizer.load(weights, 1000, adapter)
    question = Question("", ("a", "b"), ("A", "B"), prompt=ChatPrompt((("user", "Tin?"),)))
    [outcome] = tokenizer.prepare([question], [], Reading(LETTER))
    return "".join(map(tokenizer.token_text, outcome.prompt.prompt))


def test_an_adapters_tokenizer_and_template_are_used(base, adapter):
    own = adapter("added")
    assert "added" in load_files(base, own).get_vocab()
    assert prompt(base, own) == "Tin?!"
    assert tokenizer_revision(base, own) != tokenizer_revision(base)


def test_a_template_alone_is_used_with_the_bases_tokenizer(base, tmp_path):
    (tmp_path / "chat_template.jinja").write_text("{{ messages[0].content }}?!\n")
    assert prompt(base, tmp_path) == "Tin??!"


def test_an_adapter_that_brings_neither_changes_nothing(base, tmp_path):
    (tmp_path / "empty").mkdir()
    assert prompt(base, tmp_path / "empty") == prompt(base, None)
    assert tokenizer_revision(base, tmp_path / "empty") == tokenizer_revision(base)


def test_more_tokens_than_the_embedding_has_rows_are_refused(base, adapter):
    with pytest.raises(ValueError, match="rows"):
        load_files(base, adapter("added", "another"))


def test_other_tokens_than_the_bases_are_refused(base, adapter):
    own = adapter()
    file = own / "tokenizer.json"
    content = json.loads(file.read_text())
    vocab = content["model"]["vocab"]
    vocab["A"], vocab["B"] = vocab["B"], vocab["A"]
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="other tokens"):
        load_files(base, own)

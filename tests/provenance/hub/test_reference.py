from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprints.errors import UsageError
from provenance.hub.reference import HubReference

PARTS = st.from_regex(r"[A-Za-z0-9](?:[A-Za-z0-9._][A-Za-z0-9])?", fullmatch=True).filter(lambda part: ".." not in part)


@pytest.mark.parametrize(
    ("text", "repository", "revision", "path"),
    [
        ("meta-llama/Llama-2-7b-hf", "meta-llama/Llama-2-7b-hf", None, ""),
        ("org/name@v1.0", "org/name", "v1.0", ""),
        ("org/name/unet", "org/name", None, "unet"),
        ("org/name@main/unet/model.safetensors", "org/name", "main", "unet/model.safetensors"),
        ("org/name@refs/pr/3", "org/name", "refs/pr/3", ""),
        ("org/name@refs/pr/3/unet", "org/name", "refs/pr/3", "unet"),
        ("org/name@feature%2Fone/x.gguf", "org/name", "feature/one", "x.gguf"),
        ("hf://org/name@main/x.gguf", "org/name", "main", "x.gguf"),
        ("https://huggingface.co/org/name", "org/name", None, ""),
        ("https://huggingface.co/org/name/tree/v2/unet", "org/name", "v2", "unet"),
        ("https://huggingface.co/org/name/blob/main/x.gguf", "org/name", "main", "x.gguf"),
    ],
)
def test_the_spellings_of_a_model(text: str, repository: str, revision: str | None, path: str) -> None:
    assert HubReference.parse(text) == HubReference(repository=repository, revision=revision, path=path)


@pytest.mark.parametrize(
    "text",
    [
        "model.safetensors",
        "./org/name",
        "../org/name",
        "/org/name",
        "~/name",
        "org//name",
        "org/name/../other",
        "org/name@",
        "org/name@a..b",
        "org/na me",
        "org/name\\x",
        "org/name/a\nb",
        "-org/name",
        "org/" + "n" * 97,
        "org/name/" + "x" * 2000,
        "",
    ],
)
def test_what_can_only_be_a_path(text: str) -> None:
    assert HubReference.parse(text) is None
    with pytest.raises(UsageError):
        HubReference.parse(f"hf://{text}")


@given(PARTS, PARTS, st.none() | PARTS | st.just("refs/pr/12") | st.just("a/b"), st.lists(PARTS, max_size=3))
def test_a_reference_is_read_back_from_its_spelling(
    organisation: str, name: str, revision: str | None, path: list[str]
) -> None:
    reference = HubReference(repository=f"{organisation}/{name}", revision=revision, path="/".join(path))
    assert HubReference.parse(str(reference)) == reference

"""What Hugging Face reads, by its own library."""

import pytest
from card_facts import CONFIG, EVALUATION, FACTS

from hub_export.card import model_card
from hub_export.card.hugging_face import license_slug, upload

huggingface_hub = pytest.importorskip("huggingface_hub")


def card_of(config=CONFIG, evaluation=EVALUATION, **arguments):
    arguments = {"license": "Apache 2.0", "publisher": "jane", **arguments}
    text = model_card(
        FACTS,
        model_name="resnet18-cifar10",
        config=config,
        evaluation=evaluation,
        for_hugging_face=True,
        **arguments,
    )
    return huggingface_hub.ModelCard(text)


def test_the_library_reads_tags_licence_data_and_accuracy():
    card = card_of()
    data = card.data.to_dict()
    assert data["library_name"] == "keras"
    assert data["pipeline_tag"] == "image-feature-extraction"
    assert data["license"] == "apache-2.0"
    assert data["datasets"] == ["uoft-cs/cifar10"]
    assert data["metrics"] == ["accuracy"]
    assert {"supcon", "resnet18", "cifar10"} <= set(data["tags"])
    (result,) = card.data.eval_results
    assert result.metric_value == 0.8743
    assert (result.dataset_type, result.dataset_split) == (
        "uoft-cs/cifar10",
        "test",
    )


def test_the_rest_is_the_card_that_stands_beside_the_savedmodel():
    plain = model_card(
        FACTS,
        publisher="jane",
        model_name="resnet18-cifar10",
        license="Apache 2.0",
        config=CONFIG,
        evaluation=EVALUATION,
    )
    assert card_of().text.strip() == plain.strip()
    assert plain.startswith("# Module ")  # as TF-Hub wants it


def test_what_is_not_known_is_left_out():
    data = card_of({}, {}, license=None).data.to_dict()
    unknown = {"license", "license_name", "datasets", "metrics", "model-index"}
    assert unknown.isdisjoint(data)
    held_out = {**CONFIG, "validation_fraction": 0.1}
    (result,) = card_of(held_out).data.eval_results
    assert result.dataset_split is None  # they are training images of cifar10


def test_a_licence_that_hugging_face_does_not_know_is_other():
    data = card_of(license="Own (2026)").data.to_dict()
    assert (data["license"], data["license_name"]) == ("other", "own-2026")
    assert license_slug("CC BY 4.0") == "cc-by-4.0"
    assert license_slug(None) is None


def test_the_commands_name_the_place_the_folder_and_what_is_needed():
    text = upload("jane", "digits", "out-hugging_face", needs=("supcon_tf",))
    assert "\nhf upload jane/digits out-hugging_face .\n" in text
    assert "\nimport supcon_tf  #" in text
    assert 'load_model("hf://jane/digits")' in text
    assert "hf upload" not in upload(None, "digits", "out", needs=())
    assert "import supcon_tf" not in upload("jane", "a", "out", needs=())

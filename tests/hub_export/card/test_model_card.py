"""Tests of hub_export/card.py: the model card as a whole."""

import copy
import re

import pytest
from card_facts import CONFIG, EVALUATION, FACTS

from hub_export.card import model_card

HEADINGS = """\
# Module jane/resnet18-cifar10/3
## Overview
## Model Summary
### Usage
### System
### Implementation requirements
## Model Characteristics
### Model initialization
### Model stats
### Other details
## Data Overview
### Training data
### Demographic groups
### Evaluation data
## Evaluation Results
### Summary
### Subgroup evaluation results
### Fairness
### Usage limitations
### Ethics
## Model Format
## Training Data
## Model Inputs
## Model Outputs
## Model Usage
## Fine-tuning
## Changelog""".splitlines()


def whole_card(**facts):
    return model_card(
        {**FACTS, **facts},
        publisher="jane",
        model_name="resnet18-cifar10",
        version=3,
        license="Apache 2.0",
        config=CONFIG,
        evaluation=EVALUATION,
    )


def bare_card(**arguments):
    """With nothing known but the SavedModel itself."""
    facts = {**FACTS, "archive": None, "class_names": None, "callables": {}}
    return model_card(facts, model_name="resnet18", **arguments)


def text_of(card):
    """The card without its code."""
    return re.sub(r"```.*?```", "", card, flags=re.DOTALL)


def headings(card):
    lines = text_of(card).splitlines()
    return [line for line in lines if line.startswith("#")]


def section(card, heading):
    """What stands between a heading and the next one."""
    _, _, after = card.partition(f"\n{heading}\n")
    return re.split(r"\n#+ ", after)[0].strip()


def test_the_card_of_a_first_answer_tells_of_no_training():
    config = {
        "dataset": "folder",
        "initial_encoder": "/home/jane/lite0.keras",
        "image_size": 160,
        "max_samples": None,
        "seed": 0,
        "is_trained": False,
    }
    evaluation = {
        "top_1_accuracy": 0.89,
        "num_train_images": 600,
        "num_test_images": 300,
        "config": {"num_views": 5},
    }
    card = bare_card(
        config=config, evaluation=evaluation, for_hugging_face=True
    )
    text = text_of(card)
    for words in ("contrast", "jane", "Trained from", "linear-eval", "epoch"):
        assert words not in text, words
    assert "Image encoder `lite0.keras`: RGB images" in text
    assert "Nothing of it was trained further" in text
    assert "linear classifier on the features | 0.8900 |" in text
    assert "untrained" not in text and "top-5" not in text
    assert "600 training images of a folder" in text
    assert "of 5 views of each training image" in text


def test_it_has_all_headings_in_their_order():
    found = [line for line in headings(whole_card()) if line in HEADINGS]
    assert found == HEADINGS
    expected = ["# Module resnet18/1", *HEADINGS[1:]]
    assert [x for x in headings(bare_card()) if x in expected] == expected


@pytest.mark.parametrize("make", [whole_card, bare_card])
def test_no_heading_stands_alone_but_those_of_groups(make):
    card = make()
    groups = {
        "## Model Summary",
        "## Model Characteristics",
        "## Data Overview",
        "## Evaluation Results",
    }
    for heading in headings(card)[1:]:
        assert bool(section(card, heading)) != (heading in groups), heading


@pytest.mark.parametrize("make", [whole_card, bare_card])
def test_no_placeholder_is_left(make):
    card = make()
    card = re.sub(r"<!-- [a-z-]+: [\w.-]+ -->", "", card)
    assert not re.search(r"[<>]|TODO|OWNER|\byour\b|\bNone\b|\bnan\b", card)
    assert "{" not in re.sub(r"```json.*?```", "", card, flags=re.DOTALL)


def test_the_comments_are_those_that_tf_hub_reads():
    lines = whole_card().splitlines()
    assert lines[0] == "# Module jane/resnet18-cifar10/3"
    assert re.fullmatch(r"Image encoder [^.]*(0\.25)[^.]*\.", lines[2])
    assert [line for line in lines if line.startswith("<!--")] == lines[4:10]
    assert lines[4:10] == [
        "<!-- task: image-feature-vector -->",
        "<!-- fine-tunable: true -->",
        "<!-- format: saved_model_2 -->",
        "<!-- dataset: cifar10 -->",
        "<!-- network-architecture: resnet18 -->",
        "<!-- license: apache-2.0 -->",
    ]


def test_what_is_not_known_has_no_comment():
    comments = re.findall(r"<!-- (\S+):", bare_card())
    assert comments == ["task", "fine-tunable", "format"]


def test_the_path_of_the_asset_is_the_url_of_the_archive():
    url = "https://example.com/resnet18-1.tar.gz"
    card = whole_card(archive={**FACTS["archive"], "url": url})
    assert card.splitlines()[4] == f"<!-- asset-path: {url} -->"


@pytest.mark.parametrize(
    "words",
    [
        "128 features",
        "702,256",
        "699,856",
        "2,815,310 bytes",
        "3,702,148 bytes",
        "`block_group4` `[B, any, any, 127]`",
        "`encoder.projection(images)` | projections `[B, 64]`",
        "`encoder.projection_head(features)` | the same `[B, 64]`",
        "`encoder.classifier(images)` | class probabilities `[B, 3]`",
        "airplane, cat, ship",
        "7 regularization losses",
        "synchronized over the replicas",
        "`mixed_bfloat16`; here all computations are in float32",
        "2.4e-07 in inference mode",
        "3.1e-06 in training mode",
        "32 x 32 and 32 x 40",
        "`resnet18-1.tar.gz`",
        "2,983,112 bytes",
        FACTS["archive"]["sha256"],
        "TensorFlow 2.21.0, Keras 3.15.1 and supcon_tf 0.1",
        "Version 3, exported on 2026-11-22",
        "0.8743",
        "0.9911",
        "0.3749",
        "0.3546",
        "10,000 test images",
        "12,000 training images",
        "The publisher is jane. The license is Apache 2.0.",
        '"jane/resnet18-cifar10/tensorFlow2/default"',
        'license_name="Apache 2.0"',
        "dtype=tf.float32",
        "batches of 32",
    ],
)
def test_every_fact_is_in_it(words):
    assert words in whole_card()


def test_what_is_not_known_is_said_to_be_so():
    card = bare_card()
    assert "The publisher is not stated. The license is not stated." in card
    assert "kagglehub" not in card
    assert section(card, "### Kaggle Models").startswith("No publisher is")
    for heading in (
        "### Implementation requirements",
        "### Model initialization",
        "### Other details",
        "### Training data",
        "### Evaluation data",
        "### Summary",
        "### Usage limitations",
        "## Model Outputs",
    ):
        assert re.search(
            "not recorded|No |not known", section(card, heading)
        ), heading


def test_a_first_version_has_no_change_to_record():
    assert section(bare_card(), "## Changelog") == (
        "- Version 1, exported on 2026-11-22: the first."
    )
    assert "is not recorded" in section(bare_card(version=2), "## Changelog")


def test_its_arguments_are_left_as_they_are():
    before = copy.deepcopy((FACTS, CONFIG, EVALUATION))
    whole_card()
    assert (FACTS, CONFIG, EVALUATION) == before


@pytest.mark.parametrize("argument", ["model_name", "publisher"])
@pytest.mark.parametrize("name", ["", "a/b", "a b", "a.b", "ä", "a\n", 3])
def test_names_that_are_no_slugs_are_refused(argument, name):
    names = {"model_name": "resnet18", argument: name}
    with pytest.raises(ValueError) as error:
        model_card(FACTS, **names)
    assert str(error.value) == (
        f"`{argument}` must be letters, digits, - and _. "
        f"Received: {argument}={name!r}"
    )


@pytest.mark.parametrize("version", [0, -1, 1.0, "1", True, None])
def test_versions_that_are_no_counts_are_refused(version):
    with pytest.raises(ValueError, match=r"^`version` must be an integer >= 1"):
        bare_card(version=version)


@pytest.mark.parametrize("license", ["", "MIT\nx", 'a"b', "-->", "<MIT>", 3])
def test_licenses_that_would_break_the_card_are_refused(license):
    with pytest.raises(ValueError, match=r"^`license` must be one line of"):
        bare_card(license=license)

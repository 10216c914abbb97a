"""Tests of hub_export/results.py: what a card tells of data and accuracy."""

import dataclasses

import pytest
from card_facts import CONFIG, EVALUATION

from hub_export.card import results
from supcon_tf.recipes.linear import LINEAR_RECIPES


def without(values, *names):
    return {k: v for k, v in values.items() if k not in names}


def test_the_training_images_are_told_with_what_was_done_to_them():
    config = {**CONFIG, "validation_fraction": 0.1}
    text = results.training_data(config, EVALUATION, ("cat", "ship"))
    for words in (
        "`cifar10`: 12,000 training images",
        "2 classes: cat, ship.",
        "A share of 0.1 was held out for evaluation.",
        "Only 12,000 images were used (max_samples).",
        "random class with probability 0.2, once",
        "2 views at a time of 32 x 32 pixels, augmented by `crop_flip`.",
    ):
        assert words in text


def test_what_was_not_done_to_the_images_is_not_spoken_of():
    config = {**CONFIG, "max_samples": None, "label_noise": 0.0, "num_views": 1}
    text = results.training_data(config, EVALUATION, None)
    for words in ("noise", "max_samples", "held out", "labels were not"):
        assert words not in text
    assert "one view at a time" in text
    assert "The classes are not recorded." in text


def test_small_views_are_told():
    config = {**CONFIG, "small_views": 6, "small_view_size": 16}
    text = results.training_data(config, EVALUATION, None)
    assert "2 views at a time of 32 x 32 pixels and 6 small ones of 16" in text


def test_without_labels_it_is_said_so():
    text = results.training_data({**CONFIG, "objective": "simclr"}, {}, None)
    assert "The labels were not used in pretraining." in text


def test_images_that_nothing_is_known_of_are_told_as_such():
    text = results.training_data({}, {}, None)
    assert text.count("not recorded") == 3
    text = results.training_data(CONFIG, {}, None)
    assert "Images of `cifar10`; their number is not recorded." in text
    text = results.training_data({"dataset": "folder"}, EVALUATION, None)
    assert "12,000 training images of a folder of the maker's own." in text
    text = results.training_data({"dataset": "folder"}, {}, None)
    assert "Images of a folder of the maker's own." in text


def test_many_classes_are_cut_short_and_counted():
    names = [f"class{i}" for i in range(103)]
    text = results.training_data(CONFIG, {}, names)
    assert "103 classes: class0, " in text
    assert "class99, and 3 more." in text


def test_names_of_classes_are_shown_as_they_are():
    text = results.training_data({}, {}, ["<b>", "a_b*", "c\n# d", "`|`"])
    assert r"4 classes: \<b\>, a\_b\*, c # d, \`\|\`." in text


def test_test_images_and_held_out_ones_are_told_apart():
    text = results.evaluation_data(CONFIG, EVALUATION)
    assert text.startswith("10,000 test images of `cifar10`, not among")
    held_out = {**CONFIG, "validation_fraction": 0.1}
    text = results.evaluation_data(held_out, EVALUATION)
    assert text.startswith("10,000 held-out images of `cifar10`, not among")
    assert "10,000 held-out images" in results.summary(held_out, EVALUATION)


def test_an_encoder_trained_before_may_have_seen_the_test_images():
    assert "not known" not in results.evaluation_data(CONFIG, EVALUATION)
    for name in ("initial_encoder", "encoder"):
        config = {**CONFIG, name: "keras_cv:resnet50_imagenet"}
        assert "is not known" in results.evaluation_data(config, EVALUATION)


def test_accuracies_have_their_yardsticks_beside_them():
    rows = results.summary(CONFIG, EVALUATION).splitlines()
    assert rows[:6] == [
        "| accuracy on 10,000 test images | |",
        "|---|---|",
        "| top-1, linear classifier on the features | 0.8743 |",
        "| top-5, the same | 0.9911 |",
        "| top-1, linear classifier on the untrained encoder | 0.3749 |",
        "| top-1, nearest training image by raw pixels | 0.3546 |",
    ]
    own = {**EVALUATION, "classifier_top_1_accuracy": 0.9}
    text = results.summary(CONFIG, own)
    assert (
        "| top-1, the classifier that was trained with the encoder | 0.9"
        in (text)
    )


def test_what_was_not_measured_differs_from_what_was_not_recorded():
    text = results.summary(CONFIG, {**EVALUATION, "top_5_accuracy": None})
    assert "| top-5, the same | not measured |" in text
    text = results.summary(CONFIG, without(EVALUATION, "top_5_accuracy"))
    assert "| top-5, the same | not recorded |" in text


def test_the_linear_classifier_is_told_with_its_settings():
    text = results.summary(CONFIG, EVALUATION)
    assert (
        "method fast: logistic regression on the features, l2 10 (of 2, "
        in (text)
    )
    assert text.endswith("images cut by center_crop.")
    old = without(EVALUATION, "config", "chosen")
    assert results.summary(CONFIG, old).endswith("settings are not recorded.")


@pytest.mark.parametrize("name", sorted(LINEAR_RECIPES))
def test_every_recipe_of_linear_evaluation_is_told(name):
    recipe = LINEAR_RECIPES[name]
    key = "l2" if recipe.method == "fast" else "learning_rate"
    evaluation = {
        **EVALUATION,
        "config": dataclasses.asdict(recipe),
        "chosen": {key: 2.5, "held_out_top_1_accuracies": []},
    }
    text = results.summary(CONFIG, evaluation)
    assert f"method {recipe.method}" in text
    assert " 2.5; images cut by " in text
    epochs = f"{recipe.epochs} epochs in batches of {recipe.batch_size}"
    assert (epochs in text) == (recipe.method == "augmented")


def test_without_an_evaluation_no_accuracy_is_told():
    assert not any(c.isdigit() for c in results.summary(CONFIG, {}))
    assert not any(c.isdigit() for c in results.evaluation_data(CONFIG, {}))


def test_the_size_it_was_trained_on_is_a_limit():
    assert "on 32 x 32 pixels" in results.limitations(CONFIG)
    assert "is not recorded" in results.limitations({})

"""The page and the projector of an evaluation, on the digits and a folder."""

import json
import re
import shutil
import sys

import keras
import numpy as np
import pytest
from PIL import Image

from supcon_tf import evaluate, load_dataset
from supcon_tf.config import EvaluateConfig
from supcon_tf.evaluation import linear_probe, retrieval_scores
from supcon_tf.photographs.page.content import nearest_images
from supcon_tf.photographs.similarity_head import (
    new_similarity_head,
    save_similarity_head,
)

FEW = {"max_samples": 300, "max_test_images": 60, "neighbors": (1,)}


def save_encoder(path, seed):
    keras.utils.set_random_seed(seed)
    keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(6, activation="relu"),
        ]
    ).save(path)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("look")
    save_encoder(workdir / "encoder.keras", seed=0)
    save_encoder(workdir / "other.keras", seed=1)
    (workdir / "history.csv").write_text("epoch,loss\n1,3\n2,2\n")
    return workdir


def facts_of(page):
    text = page.read_text(encoding="utf-8")
    return json.loads(
        re.search(r'id="facts">(.*?)</script>', text, re.DOTALL)[1]
    )


@pytest.mark.slow
def test_the_page_has_the_numbers_and_predictions_of_both_encoders(
    workdir, tmp_path
):
    results = evaluate.evaluate(
        EvaluateConfig(
            encoder=str(workdir),
            baseline=str(workdir / "other.keras"),
            output=str(tmp_path),
            page=True,
            projector=True,
            **FEW,
        )
    )
    assert (results["page"], results["projector"]) == ("page.html", "projector")
    facts = facts_of(tmp_path / "page.html")
    train, test = load_dataset("digits", max_samples=300)
    chosen = np.sort(np.random.default_rng(0).permutation(len(test))[:60])
    assert facts["labels"] == test.labels[chosen].tolist()
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    for name, file, shown in zip(
        ("encoder", "baseline"),
        ("encoder.keras", "other.keras"),
        facts["models"],
        strict=True,
    ):
        probe = linear_probe(
            keras.saving.load_model(workdir / file), train, verbose=0
        )
        scores = probe.predict(test.images[chosen] / 255, verbose=0)
        assert shown["predictions"] == scores.argmax(axis=1).tolist()
        np.testing.assert_allclose(
            shown["confidences"], scores.max(axis=1), atol=2e-3
        )
        top_1 = results[name]["linear_probe"]["top_1_accuracy"]
        right = np.equal(shown["predictions"], facts["labels"])
        assert right.mean() == pytest.approx(top_1)
        assert f">{100 * top_1:.1f} %<" in text
    assert 'id="training"' in text
    projector = {path.name for path in (tmp_path / "projector").iterdir()}
    assert projector == {
        ".lock",
        "metadata.tsv",
        "projector_config.pbtxt",
        "sprite.png",
        "tensors_0.tsv",
        "tensors_1.tsv",
    }
    written = json.loads((tmp_path / "evaluation.json").read_text())
    assert written == results


@pytest.mark.slow
def test_a_workdir_with_a_similarity_head_shows_what_a_search_finds(
    workdir, tmp_path, capsys
):
    new = tmp_path / "with a head"
    new.mkdir()
    shutil.copy(workdir / "encoder.keras", new)
    encoder = keras.saving.load_model(new / "encoder.keras")
    head = new_similarity_head(6, units=(8, 4), dropout=0.5, encoder=encoder)
    save_similarity_head(head, new, encoder)
    results = evaluate.evaluate(
        EvaluateConfig(
            encoder=str(new),
            baseline=str(new / "encoder.keras"),
            output=str(tmp_path / "page"),
            page=True,
            **FEW,
        )
    )
    _, test = load_dataset("digits")
    chosen = np.sort(np.random.default_rng(0).permutation(len(test))[:60])
    features = encoder.predict(test.images[chosen] / 255, verbose=0)
    own, labels = head.predict(features, verbose=0), test.labels[chosen]
    found, plain = results["encoder"], results["baseline"]
    assert found["similarity_head"] == retrieval_scores(own, labels)
    assert found["similarity_head"] != found["retrieval"]
    assert plain["similarity_head"] is None
    same = ("linear_probe", "knn", "retrieval", "alignment", "num_features")
    assert all(found[key] == plain[key] for key in same)
    shown, of_encoder = facts_of(tmp_path / "page" / "page.html")["models"]
    for vectors, model in ((own, shown), (features, of_encoder)):
        # Those that are as near may change places, of other batches' rounding.
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        cosines = unit @ unit.T
        neighbors, _ = nearest_images(vectors)
        np.testing.assert_allclose(
            np.take_along_axis(cosines, np.array(model["neighbors"]), axis=1),
            np.take_along_axis(cosines, neighbors, axis=1),
            atol=1e-5,
        )
    value = found["similarity_head"]["map_at_r"]
    (line,) = (
        line
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("similarity head, MAP@R")
    )
    assert line.split()[-2:] == [f"{value:.4f}", "-"]


@pytest.mark.slow
def test_a_folder_has_its_files_by_their_names_in_it(workdir, tmp_path):
    random = np.random.default_rng(0)
    for part, count in (("train", 12), ("test", 4)):
        for label, name in enumerate(("a&b", "猫")):
            folder = tmp_path / "photos" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(60, size=(20, 30, 3), dtype=np.uint8)
                Image.fromarray(pixels + 150 * label).save(
                    folder / f"{number}.png"
                )
    evaluate.evaluate(
        EvaluateConfig(
            encoder=str(workdir),
            dataset="folder",
            data_dir=str(tmp_path / "photos"),
            output=str(tmp_path / "new"),
            neighbors=(1,),
            validation_fraction=0.2,
            page=True,
        )
    )
    facts = facts_of(tmp_path / "new" / "page.html")
    assert facts["classes"] == ["a&b", "猫"]
    assert facts["names"][:4] == [f"test/a&b/{n}.png" for n in range(4)]
    assert facts["names"][4] == "test/猫/0.png"


@pytest.mark.slow
def test_a_page_of_an_earlier_evaluation_does_not_outlive_it(workdir, tmp_path):
    (tmp_path / "evaluation.json").write_text("{}")
    (tmp_path / "page.html").write_text("of something else")
    (tmp_path / "projector").mkdir()
    (tmp_path / "projector" / "tensors_1.tsv").write_text("of something else")
    results = evaluate.evaluate(
        EvaluateConfig(
            encoder=str(workdir), output=str(tmp_path), overwrite=True, **FEW
        )
    )
    assert results["page"] is results["projector"] is None
    assert not (tmp_path / "page.html").exists()
    assert not list((tmp_path / "projector").iterdir())


def test_a_page_that_cannot_be_made_is_refused_beforehand(
    workdir, tmp_path, capsys, monkeypatch
):
    argv = (f"--encoder={workdir}", f"--output={tmp_path / 'new'}", "--page")
    monkeypatch.setitem(sys.modules, "bokeh", None)
    assert evaluate.main(argv) == 2
    err = capsys.readouterr().err
    assert "install supcon_tf[page]" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_a_history_of_the_baseline_that_is_none_is_refused_beforehand(
    workdir, tmp_path, capsys
):
    (tmp_path / "history.csv").write_text("nothing")
    save_encoder(tmp_path / "encoder.keras", seed=2)
    argv = (
        f"--encoder={workdir}",
        f"--baseline={tmp_path}",
        f"--output={tmp_path / 'new'}",
    )
    assert evaluate.main((*argv, "--page")) == 2
    assert "must be the history.csv of a run" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()

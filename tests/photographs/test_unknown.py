"""None of these: distances and the threshold."""

import dataclasses

import numpy as np
import pytest

from supcon_tf.photographs.unknown import (
    KnownPhotographs,
    known_photographs,
    load_known,
)


def test_the_distance_is_that_to_the_k_nearest():
    angles = np.array([0.0, 0.1, 0.5, 2.0])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    known = KnownPhotographs(vectors.astype(np.float32), [1], neighbors=2)
    (distance,) = known.distances([[3.0, 0.0]])
    assert distance == pytest.approx(1 - (1 + np.cos(0.1)) / 2, abs=1e-6)


def clusters(count, seed=0):
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 4
    return np.eye(9)[labels] + 0.3 * random.normal(size=(count, 9)), labels


def test_the_threshold_keeps_what_it_should_of_new_photographs():
    vectors, labels = clusters(400)
    known = known_photographs(vectors, labels, keep=0.9)
    new, _ = clusters(400, seed=1)
    # Of 400, 360 are kept; the deviation of a binomial is 6, and the threshold
    # itself has one of 6, too: four of the two together are 34.
    kept = np.sum(known.distances(new) <= known.threshold)
    assert abs(kept - 360) <= 34
    # The smallest value that keeps 90 % of the 400 held out.
    assert np.sum(known.held_out <= known.threshold) in (360, 361)
    elsewhere = np.eye(9)[[5, 6, 7]]
    assert (known.distances(elsewhere) > known.threshold).all()


def test_what_is_held_out_has_no_part_in_its_own_distance():
    """Vectors that only a model that saw them brings together."""
    labels = np.arange(20) % 2
    asked = []

    def vectors_by(fitted):
        asked.append(fitted.tolist())
        vectors = np.tile([1.0, 0.0], (20, 1))
        vectors[np.setdiff1d(np.arange(20), fitted)] = [0.0, 1.0]
        return vectors

    known = known_photographs(vectors_by, labels)
    # All; then five parts of 4, two of each class, are held out.
    assert [len(fitted) for fitted in asked] == [20] + [16] * 5
    held_out = [np.setdiff1d(np.arange(20), fitted) for fitted in asked[1:]]
    assert np.sort(np.concatenate(held_out)).tolist() == list(range(20))
    assert all(labels[part].sum() == 2 for part in held_out)
    assert known.threshold == pytest.approx(1)  # at a right angle
    np.testing.assert_array_equal(known.vectors, [[1, 0]] * 20)


@pytest.mark.parametrize("count", [2, 3, 7])
def test_a_handful_of_photographs_is_enough(count):
    vectors, labels = clusters(count)
    known = known_photographs(vectors, labels)
    assert known.vectors.shape == (count, 9)
    assert known.threshold == known.held_out.max() > 0


def test_photographs_that_nothing_was_trained_on_decide_if_there_are_any():
    vectors = np.repeat([[1.0, 0.0]], 10, axis=0)
    held_out = [[np.cos(angle), np.sin(angle)] for angle in (0.1, 0.2, 0.3)]
    known = known_photographs(vectors, np.zeros(10, int), held_out=held_out)
    assert known.threshold == pytest.approx(1 - np.cos(0.3), abs=1e-6)
    less = dataclasses.replace(known, keep=0.5)
    assert less.threshold == pytest.approx(1 - np.cos(0.2), abs=1e-6)


def test_the_file_is_read_back_or_refused(tmp_path):
    path = tmp_path / "known.npz"
    known = KnownPhotographs(np.eye(2), np.array([0.25]), 0.9, 2, "print")
    known.save(path)
    read = load_known(path)
    np.testing.assert_array_equal(read.vectors, known.vectors)
    assert (read.threshold, read.neighbors) == (0.25, 2)
    assert (read.fingerprint, read.keep) == ("print", 0.9)
    contents = path.read_bytes()
    np.savez(tmp_path / "other.npz", vectors=np.eye(2))
    other = (tmp_path / "other.npz").read_bytes()
    for wrong in (contents[:100], b"", b"no file", other):
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match="must be what supcon-predict wro"):
            load_known(path)


def test_wrong_arguments_are_one_line():
    for call, words in (
        (lambda: known_photographs(np.eye(2), [0]), "two or more photographs"),
        (lambda: known_photographs(np.eye(2), [0, 1], keep=1), "`keep` must"),
        (
            lambda: known_photographs(np.eye(2), [0, 1], neighbors=0),
            "`neighbors` must be an int >= 1",
        ),
    ):
        with pytest.raises(ValueError, match=words):
            call()

"""Pipelines run with the cores there are, and nothing tunes them."""

import numpy as np
import pytest
import tensorflow as tf

from supcon_tf.data import pipelines, views
from supcon_tf.data.image_batches import image_batches

IMAGES = np.zeros((4, 8, 8, 3), np.uint8), np.arange(4) % 2
NUMBERS = {"batch_size": 2, "seed": 0}


@pytest.mark.parametrize(
    "dataset",
    [
        lambda: views.view_batches(
            IMAGES, "crop_flip", num_views=2, image_size=8, **NUMBERS
        ),
        lambda: views.numbered_batches(IMAGES, **NUMBERS),
        lambda: image_batches(IMAGES, image_size=8),
    ],
    ids=["views", "numbered", "images"],
)
def test_no_thread_tunes_a_pipeline_and_ends_late(dataset):
    assert dataset().options().autotune.enabled is False


def test_a_map_has_a_call_for_each_core_that_the_process_may_use(monkeypatch):
    cores = {3, 5, 8}
    monkeypatch.setattr(pipelines.os, "sched_getaffinity", lambda _: cores)
    assert pipelines.parallel_calls() == 3
    monkeypatch.delattr(pipelines.os, "sched_getaffinity")
    monkeypatch.setattr(pipelines.os, "cpu_count", lambda: None)
    assert pipelines.parallel_calls() == 1


def test_one_thread_each_is_for_views_alone():
    dataset = tf.data.Dataset.range(3)
    threads = [
        pipelines.prefetched(dataset, one_thread_each=each)
        .options()
        .threading.max_intra_op_parallelism
        for each in (False, True)
    ]
    assert threads == [None, 1]

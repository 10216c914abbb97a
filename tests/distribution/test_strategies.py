"""Strategies by name. (Training: test_pretrain, test_multi_worker.)"""

import json

import pytest
import tensorflow as tf

from supcon_tf.distribution.strategies import make_strategy

CLUSTER = {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}


def of_worker(index, kind="worker", cluster=CLUSTER):
    return json.dumps(
        {"cluster": cluster, "task": {"type": kind, "index": index}}
    )


@pytest.fixture(autouse=True)
def no_tf_config(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.delenv("TPU_NAME", raising=False)


def test_one_device_is_what_there_is_without_a_strategy():
    assert make_strategy("one_device") is tf.distribute.get_strategy()
    assert make_strategy("one_device").num_replicas_in_sync == 1


def test_auto_is_one_device_on_this_machine(monkeypatch):
    for config in ("", "{}", '{"task": {}}', of_worker(0, cluster={})):
        monkeypatch.setenv("TF_CONFIG", config)
        assert make_strategy("auto") is make_strategy("one_device")
    one = {"worker": ["127.0.0.1:1"]}
    monkeypatch.setenv("TF_CONFIG", of_worker(0, cluster=one))
    assert make_strategy("auto") is make_strategy("one_device")
    assert make_strategy("multi_worker") is make_strategy("one_device")


def test_auto_takes_the_workers_of_tf_config(monkeypatch):
    """And says so, here, where they come too late."""
    tf.constant(0)
    monkeypatch.setenv("TF_CONFIG", of_worker(1))
    for name in ("auto", "multi_worker"):
        with pytest.raises(ValueError, match="before anything else that Tenso"):
            make_strategy(name)
    chief = {"chief": ["127.0.0.1:1"], "worker": ["127.0.0.1:2"]}
    monkeypatch.setenv("TF_CONFIG", of_worker(0, cluster=chief))
    with pytest.raises(ValueError, match="before anything else that Tenso"):
        make_strategy("auto")
    assert make_strategy("auto", one_machine=True).num_replicas_in_sync == 1


def test_auto_takes_the_tpu_that_is_named(monkeypatch):
    monkeypatch.setenv("TPU_NAME", "nowhere.invalid")
    with pytest.raises(ValueError, match="where there is no TPU"):
        make_strategy("auto")


def test_mirrored_takes_all_logical_cpus_where_there_is_no_gpu():
    strategy = make_strategy("mirrored")
    assert isinstance(strategy, tf.distribute.MirroredStrategy)
    assert strategy.num_replicas_in_sync == 2
    assert make_strategy("mirrored") is strategy


def test_an_unknown_name_lists_the_known():
    with pytest.raises(ValueError) as error:
        make_strategy("mirored")
    for name in ("auto", "one_device", "mirrored", "multi_worker", "tpu"):
        assert repr(name) in str(error.value)
    assert "Received: strategy='mirored'" in str(error.value)


def test_on_one_machine_there_are_no_other_workers(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", of_worker(0))
    with pytest.raises(ValueError, match="done once, on one machine"):
        make_strategy("multi_worker", one_machine=True)


def test_without_a_tpu_it_is_refused():
    with pytest.raises(ValueError, match=r"there is no TPU\. Received"):
        make_strategy("tpu")


@pytest.mark.parametrize(
    "config",
    [
        None,
        "",
        "{",
        "[]",
        "{}",
        '{"cluster": []}',
        '{"cluster": {"worker": 3}}',
        '{"cluster": {"worker": [3]}}',
        '{"cluster": {"worker": ["a:1", "b:1"]}, "task": 1}',
        json.dumps({"cluster": CLUSTER}),
        of_worker(2),
        of_worker(-1),
        of_worker("0"),
        of_worker(0, kind="ps"),
        of_worker(0, kind="evaluator", cluster={"evaluator": ["a:1"]}),
    ],
)
def test_another_tf_config_is_refused_with_one_that_is_right(
    config, monkeypatch
):
    if config is not None:
        monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(ValueError) as error:
        make_strategy("multi_worker")
    assert "TF_CONFIG must be JSON such as" in str(error.value)
    assert f"Received: {config or 'none'}" in str(error.value)

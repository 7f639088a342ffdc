"""Colours, and the two cameras of smallNORB, in every mode that shows images, in predict.py and explore.py."""
import dataclasses

import numpy as np
import pytest
from PIL import Image

import photographs
import toy
from browsing import write_page
from data.dataset import scale
from data.datasets import cifar10
from evaluation import evaluate
from runs import checkpoints
from serving import load
from untrusted import refusal


@pytest.mark.parametrize("name, side, channels", [("cifar10", 24, 3), ("smallnorb", 32, 2)])
def test_photographs_are_evaluated_and_predicted(
        make_run, run_eval, monkeypatch, tmp_path, capsys, name, side, channels):
    contents = photographs.contents()
    photographs.publish(monkeypatch, contents)
    monkeypatch.setenv("CAPSNET_DATA_DIR", "")
    data_dir, run = photographs.write(tmp_path / "data", contents[name]), tmp_path / "run"
    cfg = toy.settings(DATASET=name, DATA_DIR=str(data_dir), VALIDATION=8, LR=0.01, CROP=side, NONE_OF_THE_ABOVE=True)
    _, dataset = make_run(run, cfg, 30)
    assert dataset.image_shape == (side, side, channels)

    for flags in (["reconstruct"], ["cap_tweak"], ["adversarial", "--attack", "pgd", "--no-targeted"]):
        ended = run_eval(tmp_path / flags[0], "--ckpt", run, "--num_images", 8, "--max_iters", 2, "--mode", *flags)
        assert ended.status == 0 and ended.results["evaluated_on"] == name and ended.results["figures"], ended.errors
    light = dataclasses.replace(dataset, test=dataset.test._replace(images=np.full_like(dataset.test.images, 255)))
    evaluate.say_differences(checkpoints.load(run), cfg.changed(DATASET="light.npz"), light, light)
    assert "background" not in capsys.readouterr().out, "no photograph has ink and paper"

    # predict.py and explore.py
    network, path = load(run), tmp_path / "picture.png"
    picture = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    Image.fromarray(picture).save(path)
    if channels == 3:
        np.testing.assert_array_equal(network.predict([path])[0].image, scale(cifar10.prepare(picture, side)))
    else:
        message = refusal(network.predict, [path])
        assert "square images, grey or in colour" in message and "(32, 32, 2)" in message and ".npy" in message
        assert write_page(tmp_path / "page.html", "--ckpt", run) == 0
    assert network.predict(dataset.test.images)[0].reconstruction.shape == (side, side, channels)

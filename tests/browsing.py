"""Pages of networks, and a browser that has one open."""
import sys
from pathlib import Path

import numpy as np
import pytest

import explore
from runs import checkpoints
from runs.config import RunConfig, save_config


def desktop(driver, width=1280, height=900, mobile=False, **features):
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def open_page(browser, path: Path):
    """Opens the page and waits until it shows the first answer."""
    browser.get(path.as_uri())
    when(browser, "window.explorer?.output && (!explorer.inside"
                  " || document.getElementById('decoded').width === explorer.about.image[1])")


def when(browser, condition: str):
    """Waits until a condition in JavaScript holds, and the worker has nothing to do. -> its value"""
    idle = "(!window.explorer || !(explorer.client.busy || explorer.client.waiting.size))"
    found = browser.execute_async_script(f"""
        const done = arguments[arguments.length - 1], end = Date.now() + 20000;
        const look = () => {{
            const value = {condition};
            if ((value && {idle}) || Date.now() > end) done(value);
            else setTimeout(look, 5);
        }};
        look();""")
    assert found, f"never: {condition}"
    return found


def ask(browser, kind: str, question: dict):
    """-> the worker's answer, with lists of numbers"""
    return browser.execute_async_script("""
        const [kind, question, done] = arguments;
        if (question.image) question.image = Float32Array.from(question.image);
        explorer.client.ask(kind, question).then((answer) => done(JSON.parse(JSON.stringify(answer,
            (_, value) => ArrayBuffer.isView(value) ? Array.from(value) : value))));""", kind, question)


def save(folder: Path, network, cfg, names="0123"):
    """Writes the network as a run that has ended."""
    folder.mkdir(parents=True)
    run = RunConfig(cfg, network.image_shape, network.classes, "0123", tuple(names[:network.classes]))
    save_config(folder, run)
    checkpoints.write(folder, "ckpt", 1, run.identity(), model=network)
    return folder


def write_page(out: Path, *flags) -> int:
    """explore.py with these flags -> its exit status"""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["explore.py", "--out", str(out), *map(str, flags)])
        return explore.main()


def lively(network):
    """Larger weights: the capsules of an untrained network are too short to see anything in them."""
    random = np.random.default_rng(1)
    for variable in network.trainable_variables:
        spread = {1: 0.1, 2: 0.5, 4: 0.2}[len(variable.shape)]
        if "digit_caps" in variable.path:
            spread = 0.1 if variable.path.endswith("bias") else 1
        variable.assign(random.normal(0, spread, variable.shape))
    return network

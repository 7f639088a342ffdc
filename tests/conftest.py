"""Puts `code/` and the tests on the path, as running a script from it does, and makes TensorFlow quiet and exact."""
import os
import shutil
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "code"), str(HERE)]

import cli  # noqa: E402

os.environ.setdefault("TF_DETERMINISTIC_OPS", "1")  # so that runs that are not compiled can be compared bit for bit
cli.set_environment()

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium."""
    webdriver = pytest.importorskip("selenium.webdriver")
    if not (CHROMIUM and DRIVER):
        pytest.skip("no chromium or chromedriver here: the page is not tested in a browser")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def small_cnn():
    """Makes the layers of --model cnn small enough for toys, while a module is tested."""
    from model.networks import cnn
    layers = cnn.Layers((5, 3), (4, 4), (16, 8), pooled=True, dropped=(False, True), exclusive=True)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("mnist", "pooled"):
            patch.setitem(cnn.LAYERS, name, layers)
        yield

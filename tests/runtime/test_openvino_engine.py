"""What is OpenVINO's own among the engines."""

import subprocess
import sys

CODE = """
import faulthandler, gc, signal
import numpy as np
from inception.prediction import find_model
from inception.runtime import create_engine
faulthandler.enable()  # as pytest does, and programs that want to know where they crash
engines = [create_engine(find_model("cats-and-dogs"), "openvino", threads=1) for _ in range(2)]
for engine in engines:
    engine.run(np.zeros((1, 144, 144, 3), np.uint8))
while engines:
    engine = engines.pop(0)
    del engine
    gc.collect()
signal.signal(signal.SIGINT, lambda *_: print("told"))
signal.raise_signal(signal.SIGINT)
"""


def test_a_signal_after_two_engines_have_gone_does_not_crash() -> None:
    ran = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "told\n")

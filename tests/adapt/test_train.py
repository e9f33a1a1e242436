"""A few steps on a tiny random Aria: what is refused, what stands in the folder, and that a kill changes nothing."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SMALL
from kinds import line, write

from aria_docs import prompts
from aria_docs.adapt import layout, train
from aria_docs.adapt.showing import Viewer, lay_out
from aria_docs.errors import EngineError, UsageError
from aria_docs.model.aria.adapt import losses, outline
from aria_docs.model.aria.adapt.training import Plan

ROOT = Path(__file__).parents[2]


@pytest.fixture
def start(checkpoint: Path) -> Callable[..., tuple[bool, list[str]]]:
    def call(folder: Path, output: Path, settings: Any = SMALL, **how: Any) -> tuple[bool, list[str]]:
        said: list[str] = []
        done = train.train(folder, model=str(checkpoint), output=output, settings=settings, say=said.append, **how)
        return done, said

    return call


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, data: Path) -> Path:
    """An adapter trained without an interruption."""
    folder = tmp_path_factory.mktemp("whole") / "adapter"
    assert train.train(data, model=str(checkpoint), output=folder, settings=SMALL, say=lambda _: None)
    return folder


def weights_of(adapter: Path) -> bytes:
    return (adapter / "adapter_model.safetensors").read_bytes()


def test_a_line_is_the_prompt_of_a_run_and_its_answer(checkpoint: Path, data: Path) -> None:
    """The same ids as `AriaModel` feeds for this page and question; learnt are the answer, its end and its newline."""
    from aria_docs.tiling.budget import page_part
    from aria_docs.tiling.resolution import MEDIUM

    network = outline.outline(str(checkpoint), settings=asdict(SMALL))
    [first, *_], _ = layout.read(data)
    with Viewer() as viewer:
        lesson = network.lesson(lay_out(first, viewer.look(first, pixels=False)))
    part = page_part(1, 300, 206, MEDIUM)
    prompt = [*network.tokens.prefix([part]), *network.tokens.question([part], prompts.TABLES)]
    assert list(lesson.ids[: len(prompt)]) == prompt
    assert set(lesson.labels[: len(prompt)]) == {-100}
    assert lesson.labels[len(prompt) :] == lesson.ids[len(prompt) :]
    assert network.tokens.tokenizer.decode(lesson.ids[len(prompt) :]) == '{"tables": []}<|im_end|>\n'


def test_what_a_training_leaves(start: Any, data: Path, whole: Path) -> None:
    assert {file.name for file in whole.iterdir()} == {
        "adapter_config.json", "adapter_model.safetensors", "loss.csv", "loss.png", "training.json",
    }  # fmt: skip
    with (whole / "loss.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4", "5", "6"]  # 5 lines by twos, twice
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    before = weights_of(whole)
    _, said = start(data, whole)
    assert any("6 steps of 2 lines" in line for line in said)
    assert "trained so before" in said[-1]
    assert weights_of(whole) == before
    with pytest.raises(UsageError, match="other data, settings or weights"):
        start(data, whole, replace(SMALL, seed=7))


def test_interrupted_and_resumed_it_comes_to_the_same_weights(
    start: Any, data: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = tmp_path / "cut"
    steps = train._Telling.step

    def interrupt(self: Any, progress: Any) -> None:
        steps(self, progress)
        if progress.step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(train._Telling, "step", interrupt)
    done, said = start(data, cut)
    assert not done
    assert "--resume" in said[-1]
    monkeypatch.undo()
    with pytest.raises(UsageError, match=r"stopped at step 3: add --resume"):
        start(data, cut)
    with pytest.raises(UsageError, match="other data, settings or weights"):
        start(data, cut, replace(SMALL, learning_rate=1e-3), resume=True)
    assert start(data, cut, resume=True)[0]
    assert weights_of(cut) == weights_of(whole)
    curves = [(folder / "loss.csv").read_text().splitlines() for folder in (whole, cut)]
    without_seconds = [[row.rpartition(",")[0] for row in curve] for curve in curves]
    assert without_seconds[0] == without_seconds[1]


def test_killed_at_an_instant_and_resumed_it_comes_to_the_same_weights(
    start: Any, checkpoint: Path, data: Path, whole: Path, tmp_path: Path
) -> None:
    """By SIGKILL, when the first checkpoint is there: what was done after it is done again."""
    cut, config = tmp_path / "cut", tmp_path / "c.yaml"
    settings = {name: value for name, value in asdict(SMALL).items() if value not in (None, ())}
    config.write_text(json.dumps(settings))
    arguments = ["adapt", "train", str(data), "--model", str(checkpoint), "--config", str(config), "-o", str(cut)]
    child = subprocess.Popen(
        [sys.executable, "-m", "aria_docs", *arguments], cwd=ROOT, stderr=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    while child.poll() is None and not list((cut / "checkpoints").glob("step-*.safetensors")):
        time.sleep(0.02)
    child.kill()
    child.wait()
    assert start(data, cut, resume=True)[0]
    assert weights_of(cut) == weights_of(whole)
    # Killed between its record and the last of its checkpoints: nothing is trained again, and they go.
    (cut / "checkpoints").mkdir()
    (cut / "checkpoints" / "step-0000006.safetensors").write_bytes(b"")
    assert "trained so before" in start(data, cut)[1][-1]
    assert not (cut / "checkpoints").exists()


@pytest.fixture
def command(checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Callable[..., tuple[int, str]]:
    """`aria-docs adapt train` as it is called: its exit status and what it says on standard error."""
    from aria_docs import cli

    def call(folder: Path, output: Path, config: str) -> tuple[int, str]:
        file = output.with_name("settings.yaml")
        file.write_text(config)
        arguments = [str(folder), "--model", str(checkpoint), "-o", str(output), "--config", str(file)]
        monkeypatch.setattr(sys, "argv", ["aria-docs", "adapt", "train", *arguments])
        monkeypatch.setattr(sys, "excepthook", sys.excepthook)
        monkeypatch.setattr(signal, "signal", lambda *_: signal.SIG_DFL)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        monkeypatch.undo()
        return int(ended.value.code or 0), capsys.readouterr().err

    return call


def test_lines_that_cannot_be_used_are_named_and_nothing_is_trained(command: Any, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    good = (data / "images" / "0.png").read_bytes()
    (folder / "images" / "good.png").write_bytes(good)
    (folder / "images" / "broken.png").write_bytes(good[: len(good) // 2])
    too_few, stranger, outside = (line("images/good.png", "{}") for _ in range(3))
    too_few["images"] = []
    stranger["messages"][0]["role"] = "system"  # type: ignore[index]
    outside["images"] = ["../good.png"]
    long, broken = line("images/good.png", "{}" * 2000), line("images/broken.png", "{}")
    write(folder / "train.jsonl", [line("images/good.png", "{}"), too_few, stranger, broken, outside, long])
    status, said = command(folder, tmp_path / "adapter", "max_seq_length: 600\nbf16: false\nlogging_steps: 1\n")
    assert status == 2
    assert "5 lines cannot be used" in said
    for wanted in (
        "train.jsonl line 2: its messages have 1 places for images, and it names 0",
        "train.jsonl line 3: 'system' is no role: take user or assistant",
        "train.jsonl line 4: broken.png is no picture that can be read",
        "train.jsonl line 5: ../good.png leaves the folder",
        "train.jsonl line 6: it takes",
        "128 of them for pictures, and 600 are allowed",
        "logging_steps means nothing here and is ignored",
    ):
        assert wanted in said
    assert not (tmp_path / "adapter").exists()


def test_a_folder_that_is_somebody_elses_is_left_alone(start: Any, data: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="holds no training"):
        start(data, tmp_path / "mine")


def test_a_dry_run_says_what_memory_it_takes(start: Any, data: Path, tmp_path: Path) -> None:
    done, said = start(data, tmp_path / "adapter", dry_run=True)
    assert done
    assert not (tmp_path / "adapter").exists()
    assert any(line.startswith("memory: ") and "GiB at most on cpu" in line for line in said)


def test_too_little_memory_is_said_before_anything_is_loaded(
    start: Any, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aria_docs.model.aria.weights.free_bytes", lambda device: 2**30)
    with pytest.raises(EngineError, match=r"training takes 3\.\d GiB and cpu has 1\.0 free"):
        start(data, tmp_path / "adapter")


def test_rhymes_folders_of_images_and_video_train_as_they_are(command: Any, video: Path, tmp_path: Path) -> None:
    """A picture of any shape, whole at 980 px; a video as its labelled frames; a dialogue of two turns; text alone."""
    from PIL import Image

    folder = tmp_path / "data"
    folder.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)).save(folder / "cat.jpg")
    (folder / "film.mp4").write_bytes(video.read_bytes())
    say = lambda role, *content: {"role": role, "content": list(content)}  # noqa: E731
    text = lambda words: {"type": "text", "text": words}  # noqa: E731
    image, film = {"type": "image", "text": None}, {"type": "video", "text": None}
    turns = [say("user", text("And now?")), say("assistant", text("A dog."))]
    lines = [
        {"messages": [say("user", image, text("What is it?")), say("assistant", text("A cat.")), *turns]},
        {"messages": [say("user", film, text("What happens?")), say("assistant", text("Nothing."))]},
        {"messages": [say("user", text("1 + 1?")), say("assistant", text("2"))], "images": None},
    ]
    lines[0]["images"] = ["cat.jpg"]  # type: ignore[assignment]
    lines[1]["video"] = {"path": "film.mp4", "num_frames": 3}  # type: ignore[assignment]
    write(folder / "train.jsonl", lines)
    found, _ = layout.read(folder)
    with Viewer() as viewer:
        seen = [lay_out(one, viewer.look(one, pixels=False)) for one in found]
    [(_, picture), (_, frames), _] = seen[0][0], seen[1][0], seen[2][0]
    assert getattr(picture[0], "tokens", 0) == 256
    assert [piece for piece in frames if isinstance(piece, str)] == [
        "[00:00]", "\n", "[00:01]", "\n", "[00:02]", "\n", "What happens?",
    ]  # fmt: skip
    settings = "model_name_or_path: rhymes-ai/Aria\nuse_peft: true\nbf16: false\nlora_target_modules: [q_proj]\n"
    status, said = command(folder, tmp_path / "adapter", settings)
    assert status == 0
    assert "model_name_or_path means nothing here and is ignored" in said
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()


@pytest.mark.parametrize("wrong", [{"lora_target_modules": ("q_proj", "q_poj")}, {"freeze_llm_layers": (0, 99)}])
def test_a_name_that_would_train_or_freeze_nothing_is_refused(checkpoint: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"q_poj|99"):
        outline.outline(str(checkpoint), settings=asdict(replace(SMALL, **wrong)))


def test_folders_are_mixed_by_their_shares(data: Path) -> None:
    def mixed(share: float) -> int:
        lines, _ = train.gather(data, replace(SMALL, dataset_mixer=((data, share),)))
        return len(lines)

    assert [mixed(share) for share in (0.5, 1, 1.5, 3)] == [2, 5, 7, 15]


def test_a_plan_takes_every_line_once_an_epoch() -> None:
    plan = Plan(
        lessons=11, epochs=2, per_device=2, accumulated=2, devices=1, rate=1.0, schedule="cosine", warmup_ratio=0.25,
        seed=3,
    )  # fmt: skip
    assert (plan.steps_an_epoch, plan.steps) == (3, 6)
    epochs = [[plan.lessons_of(step) for step in range(start, start + 3)] for start in (0, 3)]
    for epoch in epochs:
        assert [len(step) for step in epoch] == [4, 4, 3]
        assert sorted(number for step in epoch for number in step) == list(range(11))
    assert epochs[0] != epochs[1]
    rates = [plan.rate_at(step) for step in range(6)]
    assert rates[:3] == [0.5, 1.0, 1.0]
    assert rates[2:] == sorted(rates[2:], reverse=True)


def test_the_routers_terms_are_those_of_the_papers(checkpoint: Path) -> None:
    """Logits that favour no expert: balance is 1, and logsumexp of E equal logits x is x + log E."""
    import torch

    from aria_docs.model.aria import weights

    network = weights.load(str(checkpoint), packed=False).network
    learner = losses.Learner(network, z_loss=0.5, balance=0.25)
    logits = torch.full((6, 8), 2.0)
    terms = learner._router_terms(logits, torch.ones(6, dtype=torch.bool))
    assert float(terms) == pytest.approx(0.5 * (2 + np.log(8)) ** 2 + 0.25, rel=1e-5)
    crowded = torch.zeros(6, 8)
    crowded[:, :2] = 50.0  # all of two experts' tokens: f is one half there, p one half: 8 · 2 · ¼
    only_balance = losses.Learner(network, z_loss=0.0, balance=1.0)._router_terms(
        crowded, torch.ones(6, dtype=torch.bool)
    )
    assert float(only_balance) == pytest.approx(4.0, rel=1e-5)


def test_lessons_side_by_side_cost_what_they_cost_alone(checkpoint: Path) -> None:
    """What fills a shorter one up changes nothing."""
    from aria_docs.model.aria import weights
    from aria_docs.model.aria.adapt.lesson import Lesson

    learner = losses.Learner(weights.load(str(checkpoint), packed=False).network, z_loss=1e-2, balance=1e-2)
    learner.eval()
    short = Lesson(tuple(range(20, 27)), (-100, -100, *range(22, 27)))
    long = Lesson(tuple(range(30, 50)), (-100, *range(31, 50)))
    alone = sum(float(learner(losses.batch([one], None))[0]) for one in (short, long))
    together, _ = learner(losses.batch([short, long], None))
    assert float(together) == pytest.approx(alone, rel=1e-4)

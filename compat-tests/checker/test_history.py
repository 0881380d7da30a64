"""The checker of histories: each anomaly is flagged, and what looks like it and is allowed is not."""

import json
import os
import random
import time

import pytest

from checker.history import History, value_of


RECORDS = int(os.environ.get("OTTLA_CHECKER_RECORDS", "200000"))


def v(number, process=1):
    return value_of(process, number)


def invoke(value, key="t-0"):
    return {"type": "invoke", "f": "send", "process": value >> 40, "key": key, "value": value}


def ok(value, offset, key="t-0"):
    return {"type": "ok", "f": "send", "process": value >> 40, "key": key, "value": value, "offset": offset}


def ended(value, kind, key="t-0"):
    return {"type": kind, "f": "send", "process": value >> 40, "key": key, "value": value}


def sent(*places, key="t-0"):
    """Acknowledged sends: (value, offset)."""
    return [half for value, offset in places for half in (invoke(value, key), ok(value, offset, key))]


def poll(*records, process=9, key="t-0", **more):
    return {"type": "ok", "f": "poll", "process": process, "read": {key: [list(each) for each in records]}, **more}


def assign(process=9, **more):
    return {"type": "ok", "f": "assign", "process": process, **more}


def owns(process, generation, *keys):
    return {"type": "ok", "f": "owns", "process": process, "group": "g", "generation": generation, "keys": list(keys)}


def timed(f, process, began, finished, offset=None, kind="ok"):
    first = {"type": "invoke", "f": f, "process": process, "group": "g", "time": began}
    more = {} if offset is None else {"offsets": {"t-0": offset}}
    return [first, {**first, "type": kind, "time": finished, **more}]


def commit(process, began, finished, offset, kind="ok"):
    return timed("commit", process, began, finished, offset, kind)


_THREE = sent((v(1), 0), (v(2), 1), (v(3), 2))
_ALL = poll((0, v(1)), (1, v(2)), (2, v(3)))

FLAGGED = {
    "inconsistent-offset of two acknowledgements": ({"inconsistent-offset"}, sent((v(1), 0), (v(2, process=2), 0))),
    "inconsistent-offset of two readers": (
        {"inconsistent-offset"},
        [invoke(v(1)), invoke(v(2, process=2)), poll((0, v(1))), poll((0, v(2, process=2)), process=8)],
    ),
    "duplicate": ({"duplicate"}, [*sent((v(1), 0)), poll((0, v(1)), (1, v(1)))]),
    "duplicate in another partition": ({"duplicate"}, [*sent((v(1), 0)), poll((0, v(1))), poll((0, v(1)), key="t-1")]),
    "lost-write": ({"lost-write", "poll-skip"}, [*_THREE, poll((0, v(1)), (2, v(3)))]),
    "unseen": ({"unseen"}, [*_THREE, poll((0, v(1)), (1, v(2)), final=True)]),
    "vanished": (
        {"vanished"},
        [*sent((v(1), 0)), invoke(v(2)), poll((0, v(1)), (1, v(2))), poll((0, v(1)), process=8, final=True)],
    ),
    "poll-skip": ({"poll-skip"}, [*_THREE, _ALL, poll((0, v(1)), process=8), poll((2, v(3)), process=8)]),
    "poll-skip of a member": (
        {"poll-skip"},
        [*_THREE, poll((0, v(1)), (1, v(2)), (2, v(3)), group="g"), poll((0, v(1)), (2, v(3)), process=8, group="g")],
    ),
    "nonmonotonic-poll": ({"nonmonotonic-poll"}, [*_THREE, _ALL, poll((1, v(2)))]),
    "nonmonotonic-send": ({"nonmonotonic-send"}, sent((v(1), 1), (v(2), 0))),
    "nonmonotonic-send of one that nobody acknowledged": (
        {"nonmonotonic-send"}, [invoke(v(1)), *sent((v(2), 0)), poll((0, v(2)), (1, v(1)))],
    ),
    "failed-read": ({"failed-read"}, [invoke(v(1)), ended(v(1), "fail"), poll((0, v(1)))]),
    "phantom": ({"phantom"}, [poll((0, v(1)))]),
    "skipped-by-group": ({"skipped-by-group"}, [*_THREE, _ALL, poll((0, v(1)), (1, v(2)), process=8, group="g")]),
    "owned-twice": ({"owned-twice"}, [owns(1, 5, "t-0", "t-1"), owns(2, 5, "t-1")]),
    "committed-back of a commit": ({"committed-back"}, [*commit(1, 10, 20, 100), *commit(2, 30, 40, 90)]),
    "committed-back as told": ({"committed-back"}, [*commit(1, 10, 20, 100), *timed("fetch_committed", 2, 30, 40, 90)]),
    "committed-back after a reset": (
        {"committed-back"},
        [*timed("reset_offsets", 3, 1, 2), *commit(1, 10, 20, 100), *timed("fetch_committed", 2, 30, 40, 90)],
    ),
    "error": ({"error"}, [{"type": "info", "f": "error", "process": 1, "error": "offset out of range"}]),
}  # fmt: skip

ALLOWED = {
    "all is read": [*_THREE, _ALL, poll((0, v(1)), (1, v(2)), (2, v(3)), process=8, final=True)],
    "the same value is read twice at one offset": [*_THREE, _ALL, assign(), _ALL],
    "two processes whose records take turns": sent((v(1), 0), (v(1, process=2), 1), (v(2), 2), (v(2, process=2), 3)),
    "what nobody knows of is there": [invoke(v(1)), ended(v(1), "info"), poll((0, v(1)), final=True)],
    "what nobody knows of is not there": [*_THREE, invoke(v(4)), ended(v(4), "info"), {**_ALL, "final": True}],
    "what failed is not there": [*_THREE, invoke(v(4)), ended(v(4), "fail"), {**_ALL, "final": True}],
    "a marker takes an offset": [*sent((v(1), 0), (v(2), 2)), poll((0, v(1)), (2, v(2)), final=True)],
    "the end is not read yet": [*_THREE, poll((0, v(1)), (1, v(2)))],
    "a reader that begins in the middle": [*_THREE, _ALL, poll((1, v(2)), (2, v(3)), process=8)],
    "a reader that goes back after it is assigned": [*_THREE, _ALL, assign(), poll((1, v(2)))],
    "a member that skips what another read": [
        *_THREE, _ALL, poll((0, v(1)), process=8), assign(process=8, keys=["t-0"]), poll((2, v(3)), process=8),
    ],
    "a group reads one record twice": [
        *_THREE, poll((0, v(1)), (1, v(2)), process=8, group="g"), poll((1, v(2)), (2, v(3)), process=9, group="g"),
    ],
    "a member goes back": [*_THREE, poll((0, v(1)), (1, v(2)), (0, v(1)), (1, v(2)), (2, v(3)), group="g")],
    "the invocations are not listed": [{"type": "info", "f": "unlisted", "process": 1}, poll((0, v(1)))],
    "an owner after the other": [owns(1, 5, "t-0"), owns(2, 6, "t-0")],
    "one member says twice what it owns": [owns(1, 5, "t-0"), owns(1, 5, "t-0")],
    "commits at the same time": [*commit(1, 10, 30, 100), *commit(2, 20, 40, 90)],
    "the same is committed again": [*commit(1, 10, 20, 100), *commit(2, 30, 40, 100)],
    "a commit that is refused": [*commit(1, 10, 20, 100), *commit(2, 30, 40, 90, kind="fail")],
    "a commit nobody knows of": [*commit(1, 10, 20, 100, kind="info"), *commit(2, 30, 40, 90)],
    "offsets are reset": [
        *commit(1, 10, 20, 100), *timed("reset_offsets", 3, 21, 25), *timed("fetch_committed", 2, 30, 40, 90),
    ],
    "a commit while offsets are reset": [
        *commit(1, 10, 20, 100), *timed("reset_offsets", 3, 21, 25), *timed("fetch_committed", 2, 22, 40, 90),
    ],
}  # fmt: skip


def anomalies(ops):
    history = History()
    for op in ops:
        history.add(json.loads(json.dumps(op)))
    return history.anomalies()


@pytest.mark.parametrize("name", FLAGGED)
def test_what_no_broker_may_do_is_flagged(name):
    expected, ops = FLAGGED[name]
    assert set(anomalies(ops)) == expected


@pytest.mark.parametrize("name", ALLOWED)
def test_what_a_broker_may_do_is_not(name):
    assert anomalies(ALLOWED[name]) == {}


def test_half_a_line_at_the_end_is_a_process_that_was_killed(tmp_path):
    path = tmp_path / "history"
    path.write_text(json.dumps(invoke(v(1))) + "\n" + json.dumps(ok(v(1), 0))[:20])
    assert History().add_files([path]).anomalies() == {}


def test_many_records_are_checked_in_time(tmp_path):
    """Ten producers, ten partitions, two readers; what is wrong with one record is found. A million take a minute at most."""
    chance, ends = random.Random(1), [0] * 10
    reads = [[] for _ in ends]
    path = tmp_path / "history"
    with open(path, "w") as out:
        for number in range(RECORDS):
            process = number % 10
            key = chance.randrange(10)
            offset, value = ends[key], value_of(process, number)
            ends[key] += 1
            reads[key].append((offset, value))
            start = f'"f":"send","process":{process},"key":"t-{key}","value":{value}'
            out.write(f'{{"type":"invoke",{start}}}\n{{"type":"ok",{start},"offset":{offset}}}\n')
        reads[3][500] = (500, reads[3][501][1])
        for process in (20, 21):
            for key, records in enumerate(reads):
                for at in range(0, len(records), 100):
                    out.write(json.dumps(poll(*records[at : at + 100], process=process, key=f"t-{key}")) + "\n")
    began = time.process_time()
    found = History().add_files([path]).anomalies()
    assert set(found) == {"inconsistent-offset", "duplicate", "lost-write"}
    assert time.process_time() - began < RECORDS * 60e-6

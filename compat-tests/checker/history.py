"""What is wrong with the recorded history of producers, readers and group members (modelled on jepsen.tests.kafka).

    python -m checker.history FILE...

A history is one JSON object a line, one line a half of an operation, in the order of its process:

    {"type": "invoke", "f": "send", "process": 3, "key": "t-0", "value": 3298534883328}
    {"type": "ok",     "f": "send", "process": 3, "key": "t-0", "value": 3298534883328, "offset": 17}

`type` is invoke, ok, fail (it has not happened, and never will) or info (nobody knows). `f` is one of

    send           key, value, offset when ok. A value is `process << 40 | number`, never sent twice
    unlisted       the invocations of this process' sends are not written down: any value of it may be read
    poll           read: {key: [[offset, value], ...]}; final: true for the reader that reads all when all is quiet;
                   group: the name of the group that it reads for, as whose member it may go back, but skip nothing
    assign         the process starts anew, at any offset, with all of its keys, or with `keys`
    owns           group, generation, keys: what a member of a group owns in a generation
    commit         group, time, offsets: {key: offset}; of both halves
    fetch_committed  the same, as somebody was told
    reset_offsets  group, time: somebody sets committed offsets back on purpose; of both halves
    joins          when a member sets out to join its group; for people
    error          error: what a client may never be told
"""

import array
import bisect
import json
import sys
from collections import defaultdict

PROCESS_BITS = 40
_EXAMPLES = 5


def value_of(process, number):
    return process << PROCESS_BITS | number


class _Key:
    """One partition: what is at its offsets by all that was told of it."""

    def __init__(self):
        self.values = {}
        self.conflicts = defaultdict(set)
        self.read = set()
        self.final = set()
        self.by_group = defaultdict(set)
        self.acknowledged = {}
        # By process, the offsets of each span of polls that nothing interrupts.
        self.spans = defaultdict(lambda: [array.array("q")])

    def place(self, offset, value):
        known = self.values.setdefault(offset, value)
        if known != value:
            self.conflicts[offset] |= {known, value}

    def index(self):
        """By offset its place among the offsets that hold a record: markers of transactions take offsets too."""
        return {offset: number for number, offset in enumerate(sorted(self.values))}


class History:
    """Reads the lines, then `anomalies()` says by name what no broker may do; an empty dict is a clean history."""

    def __init__(self):
        self._keys = defaultdict(_Key)
        self._invoked, self._failed, self._unlisted = set(), {}, set()
        self._owners = defaultdict(set)
        self._observed = defaultdict(list)
        self._resets = defaultdict(list)
        self._began = {}
        self._groups, self._members = set(), set()
        self._errors = []
        # What a group was given more than once.
        self._repeated = 0
        self._has_final = False
        self.operations = 0

    def add_file(self, path):
        with open(path, "rb") as lines:
            for line in lines:
                if line.endswith(b"\n"):  # a process that was killed leaves half a line
                    self.add(json.loads(line))

    def add_files(self, paths):
        for path in paths:
            self.add_file(path)
        return self

    def add(self, op):
        self.operations += 1
        getattr(self, f"_add_{op['f']}")(op, op["type"])

    def _add_send(self, op, kind):
        value = op["value"]
        if kind == "invoke":
            self._invoked.add(value)
        elif kind == "fail":
            self._failed[value] = op["key"]
        elif kind == "ok":
            key = self._keys[op["key"]]
            key.acknowledged[value] = op["offset"]
            key.place(op["offset"], value)

    def _add_unlisted(self, op, _kind):
        self._unlisted.add(op["process"])

    def _add_poll(self, op, kind):
        if kind != "ok":
            return
        final, group = op.get("final"), op.get("group")
        self._has_final |= bool(final)
        if group:
            self._groups.add(group)
            self._members.add(op["process"])
        for name, records in op["read"].items():
            key = self._keys[name]
            offsets = [record[0] for record in records]
            values = [record[1] for record in records]
            key.spans[op["process"]][-1].extend(offsets)
            key.read.update(values)
            if final:
                key.final.update(values)
            if group:
                before = len(key.by_group[group])
                key.by_group[group].update(values)
                self._repeated += before + len(values) - len(key.by_group[group])
            known = key.values
            for offset, value in records:
                if known.setdefault(offset, value) != value:
                    key.place(offset, value)

    def _add_assign(self, op, _kind):
        process = op["process"]
        for name in op.get("keys", list(self._keys)):
            self._keys[name].spans[process].append(array.array("q"))

    def _add_owns(self, op, _kind):
        for name in op["keys"]:
            self._owners[op["group"], op["generation"], name].add(op["process"])

    def _observe(self, op, kind):
        """One commit at a time of a process, whose invocation is when what was there before must be minded."""
        who = (op["process"], op["f"])
        if kind == "invoke":
            self._began[who] = op["time"]
            return
        began = self._began.pop(who)
        if kind == "ok":
            for name, offset in op["offsets"].items():
                self._observed[op["group"], name].append((began, op["time"], offset, op["f"], op["process"]))

    _add_commit = _observe
    _add_fetch_committed = _observe

    def _add_reset_offsets(self, op, kind):
        if kind == "invoke":
            self._began[op["process"], op["f"]] = op["time"]
        else:
            self._resets[op["group"]].append((self._began.pop((op["process"], op["f"])), op["time"]))

    def _add_error(self, op, _kind):
        self._errors.append({"process": op["process"], "error": op["error"]})

    def _add_nemesis(self, op, _kind):
        """What was done to the cluster; for people."""

    def _add_joins(self, op, _kind):
        """When a member began."""

    # What is computed of it.

    def anomalies(self):
        found = defaultdict(list)
        self._duplicates(found)
        self._phantoms(found)
        for name, key in self._keys.items():
            for offset, values in key.conflicts.items():
                found["inconsistent-offset"].append({"key": name, "offset": offset, "values": sorted(values)})
            index = key.index()
            self._lost(found, name, key, index)
            self._send_order(found, name, key)
            self._poll_order(found, name, key, index)
        for (group, generation, name), owners in self._owners.items():
            if len(owners) > 1:
                found["owned-twice"].append({"group": group, "generation": generation, "key": name, "by": sorted(owners)})
        for (group, name), observed in self._observed.items():
            self._committed(found, group, name, observed)
        if self._errors:
            found["error"] = self._errors
        return dict(found)

    def _places(self):
        """Value and offset, key by key, of all that is known to be somewhere."""
        for name, key in self._keys.items():
            for offset, value in key.values.items():
                yield name, offset, value
            for offset, values in key.conflicts.items():
                for value in values - {key.values[offset]}:
                    yield name, offset, value

    def _duplicates(self, found):
        places = {}
        doubled = defaultdict(set)
        for name, offset, value in self._places():
            first = places.setdefault(value, (name, offset))
            if first != (name, offset):
                doubled[value] |= {first, (name, offset)}
        for value, where in doubled.items():
            found["duplicate"].append({"value": value, "at": sorted(where)})

    def _phantoms(self, found):
        for name, key in self._keys.items():
            unknown = key.read - self._invoked
            for value in unknown:
                if value >> PROCESS_BITS not in self._unlisted:
                    found["phantom"].append({"key": name, "value": value})
        for value, name in self._failed.items():
            if value in self._keys[name].read:
                found["failed-read"].append({"key": name, "value": value})

    def _lost(self, found, name, key, index):
        first, last = {}, {}
        for offset, value in key.values.items():
            place = index[offset]
            first[value] = min(place, first.get(value, place))
            last[value] = max(place, last.get(value, place))
        bound = max((first[value] for value in key.read if value in first), default=-1)
        unread = {value: offset for value, offset in key.acknowledged.items() if value not in key.read}
        for value, offset in unread.items():
            # Another value may have its place: it is lost then, whoever read what.
            if bound >= 0 and last.get(value, -1) <= bound:
                found["lost-write"].append({"key": name, "value": value, "offset": offset})
        if self._has_final:
            for value, offset in key.acknowledged.items():
                if value not in key.final:
                    found["unseen"].append({"key": name, "value": value, "offset": offset})
            for value in key.read - key.final:
                if value not in key.acknowledged:
                    found["vanished"].append({"key": name, "value": value})
        for group in self._groups:
            for value, offset in key.acknowledged.items():
                if value not in key.by_group[group]:
                    found["skipped-by-group"].append({"group": group, "key": name, "value": value, "offset": offset})

    @staticmethod
    def _send_order(found, name, key):
        at, before = -1, -1
        for value, offset in sorted((value, offset) for offset, value in key.values.items()):
            if value >> PROCESS_BITS != before >> PROCESS_BITS:
                at = -1
            if offset < at:
                found["nonmonotonic-send"].append({"key": name, "values": [before, value], "offsets": [at, offset]})
            at, before = offset, value

    def _poll_order(self, found, name, key, index):
        for process, spans in key.spans.items():
            for span in spans:
                for before, after in zip(span, span[1:]):
                    step = index[after] - index[before]
                    # librdkafka was seen to, on Apache Kafka: it woke up and had what it fetched before it was frozen.
                    goes_back = step < 1 and process in self._members
                    if step != 1 and not goes_back:
                        kind = "poll-skip" if step > 1 else "nonmonotonic-poll"
                        found[kind].append({"key": name, "process": process, "offsets": [before, after]})

    def _committed(self, found, group, name, observed):
        """Nobody may be told of less than what somebody was told before, unless it was set back meanwhile."""
        resets = sorted(self._resets[group])
        done = [end for _, end in resets]
        eras = defaultdict(list)
        for each in observed:
            began, ended = each[:2]
            era = bisect.bisect_left(done, began)
            during_a_reset = era < len(resets) and resets[era][0] < ended
            if not during_a_reset:
                eras[era].append(each)
        for era in eras.values():
            by_end = sorted(era, key=lambda each: each[1])
            highest, at = None, 0
            for began, _, offset, f, process in sorted(era):
                while at < len(by_end) and by_end[at][1] < began:
                    highest = max(highest, by_end[at], key=lambda each: each[2]) if highest else by_end[at]
                    at += 1
                if highest and offset < highest[2]:
                    found["committed-back"].append({
                        "group": group, "key": name, "from": highest[2], "by": highest[4], "to": offset, "process": process,
                        "f": f, "time": began,
                    })  # fmt: skip

    def counts(self):
        """What there was to check."""
        return {
            "sent": len(self._invoked),
            "acknowledged": sum(len(key.acknowledged) for key in self._keys.values()),
            "read": sum(len(key.read) for key in self._keys.values()),
            "polled": sum(len(span) for key in self._keys.values() for spans in key.spans.values() for span in spans),
            "repeated": self._repeated,
            "commits": sum(map(len, self._observed.values())),
        }


def report(anomalies):
    """How many of each, and the first few."""
    lines = []
    for name, found in sorted(anomalies.items()):
        lines.append(f"{name}: {len(found)}")
        lines += [f"    {each}" for each in found[:_EXAMPLES]]
    return "\n".join(lines)


def main():
    history = History().add_files(sys.argv[1:])
    print(history.counts())
    anomalies = history.anomalies()
    print(report(anomalies) or "clean")
    sys.exit(1 if anomalies else 0)


if __name__ == "__main__":
    main()

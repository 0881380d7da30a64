"""Groups of ottla-load: what heartbeats cost, how large groups settle, and how many fit."""


def run(it, topic, partitions, classic, seconds, **options):
    load = {"partitions": partitions, "pid": it.broker.pid, "name": topic, "seconds": seconds, **options}
    return it.load("groups", topic, **load, **({"classic": True} if classic else {}))


def heartbeats(classic):
    """16 members, each of which sends the next as soon as the last is answered."""

    def work(it, seconds):
        topic = it.fresh(16)
        run(it, topic, 16, classic, 1, members=16, interval=100)
        done = run(it, topic, 16, classic, seconds, members=16, interval=100)
        requests = done["heartbeats"]["requests"]
        return {
            "requests/s": requests / done["heartbeats"]["seconds"],
            "CPU us a request": done["lived"]["cpu_s"] / requests * 1e6,
        }

    return work


def figures_of(done):
    return {
        "settle s": done["settled"]["seconds"],
        "settle CPU s": done["settled"]["cpu_s"],
        "one more s": done["rebalanced"]["seconds"],
        "one more CPU s": done["rebalanced"]["cpu_s"],
    }


def large(classic, members, interval):
    """A group of so many members that have one partition each; then one more comes, and one goes without."""

    def work(it, _seconds):
        return figures_of(run(it, it.fresh(members), members, classic, 1, members=members, interval=interval))

    return work


def many(classic, groups):
    """So many groups of one member."""

    def work(it, _seconds):
        topic = it.fresh(4)
        run(it, topic, 4, classic, 1, members=4, interval=100)
        before = it.memory_mib
        done = run(it, topic, 4, classic, 3, groups=groups, lanes=16, interval=3000, stay=True)
        return figures_of(done) | {"memory a group KiB": (it.memory_mib - before) / groups * 1024}

    return work

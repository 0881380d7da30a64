"""What Ottla is to reach, and what the machine can do at best."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """At most this part of Apache Kafka's figure; or, if `absolute`, at most this figure."""

    most: float
    absolute: bool = False

    def __str__(self):
        return f"at most {self.most:g}" if self.absolute else f"{self.most:.2f}"


TARGETS = {
    ("start, idle", "start to Metadata s"): Target(0.02),
    ("start, idle", "memory MiB"): Target(0.05),
    ("2,000 partitions", "memory MiB"): Target(0.04),
    ("2,000 partitions", "create and serve s"): Target(1),
    ("2,000 partitions", "served after kill -9 s"): Target(0.05),
    ("5,000 connections", "memory a connection KiB"): Target(16, absolute=True),
    ("100 B records one by one, 16 partitions", "CPU us a request"): Target(0.22),
    ("16 KiB, 16 partitions", "CPU s a GiB"): Target(0.25),
    ("1 MiB, 1 partition", "CPU s a GiB"): Target(0.30),
    ("1 MiB, 1 partition", "p99.9 ms"): Target(1),
    ("fetch 1 MiB", "CPU s a GiB"): Target(0.50),
    ("fetch 16 KiB", "CPU s a GiB"): Target(0.50),
    ("end to end at 200/s", "p99 ms"): Target(0.30),
}

# The bare loop that does what the work cannot do without.
LIMITS = {
    "1 MiB, 1 partition": "receive, CRC and pwrite, 1 MiB",
    "16 KiB, 16 partitions": "receive, CRC and pwrite, 16 KiB",
    "16 KiB, 1,000 partitions": "receive, CRC and pwrite, 16 KiB",
    "fetch 1 MiB": "sendfile of what was written in 1 MiB",
    "fetch 16 KiB": "sendfile of what was written in 16 KiB",
    "10 consumers follow": "sendfile of what was written in 1 MiB",
    "100 consumers follow": "sendfile of what was written in 1 MiB",
}

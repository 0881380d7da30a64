"""Records whose acknowledgements are kept, and the check that all of them are there."""

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition

from harness import background, topics

_PARTITIONS = 20
# More than a case takes: a disk that is full takes nothing.
_PATIENCE_MS = 600_000
# What waits in the client for its acknowledgement: it is the most that can wait for the broker's journal, on a slow machine too.
_WAITING_KIB = 8192


class Load:
    """Produces values that are never the same to many partitions, from a thread, until told to stop.

    It waits `pause_s` after each twenty, so that it need not fill a disk by itself where that lasts.
    """

    def __init__(self, bootstrap, topic, largest=900, idempotent=False):
        self._bootstrap = bootstrap
        self._largest = largest
        self._idempotent = idempotent
        self.pause_s = 0
        self.topic = topic
        self.acknowledged = {}
        self.errors = []
        self._next = 0

    def create_topic(self, replicas=1, **configs):
        topics.create(self._bootstrap, self.topic, _PARTITIONS, replicas, **configs)

    def run_until(self, stop):
        """Produces until `stop` is set; what is not acknowledged then may be there or not."""
        config = {"bootstrap.servers": self._bootstrap, "acks": "all", "linger.ms": 1, "message.timeout.ms": _PATIENCE_MS}
        config |= {"enable.idempotence": self._idempotent, "queue.buffering.max.kbytes": _WAITING_KIB, "log_level": 0}
        producer = Producer(config)
        while not stop.is_set():
            for _ in range(20):
                self._produce(producer)
            producer.poll(0.001)
            stop.wait(self.pause_s)
        producer.poll(0)
        producer.purge()

    def _produce(self, producer):
        value = f"{self._next} " + "x" * (self._next * 37 % self._largest)
        try:
            producer.produce(self.topic, value, partition=self._next % _PARTITIONS, on_delivery=self._delivered)
            self._next += 1
        except BufferError:
            producer.poll(0.1)  # as many wait as the client holds

    def _delivered(self, error, message):
        if error is None:
            self.acknowledged[(message.partition(), message.offset())] = message.value()
        elif error.code() != KafkaError._PURGE_QUEUE and error.code() != KafkaError._PURGE_INFLIGHT:
            self.errors.append(str(error))

    def running(self):
        """A thread that produces."""
        return background.running(self.run_until)

    def check(self, acknowledged=None, bootstrap=None):
        """Every acknowledged record is at its offset, but for those below the start of their partition."""
        acknowledged = self.acknowledged if acknowledged is None else acknowledged
        found = self._read_all(bootstrap or self._bootstrap)
        starts = {}
        for partition, offset in found:
            starts[partition] = min(offset, starts.get(partition, offset))
        kept = {place: value for place, value in acknowledged.items() if place[1] >= starts.get(place[0], 0)}
        lost = {place for place, value in kept.items() if found.get(place) != value}
        assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged records are lost: {sorted(lost)[:10]}"
        self._check_whole(found)
        return len(kept)

    def _check_whole(self, found):
        """What else is there was produced: a number and its padding, and offsets without a hole."""
        by_partition = {}
        for (partition, offset), value in found.items():
            number, _, padding = value.decode().partition(" ")
            assert int(number) % _PARTITIONS == partition and len(padding) == int(number) * 37 % self._largest, value
            by_partition.setdefault(partition, {})[offset] = int(number)
        for partition, numbers in by_partition.items():
            offsets = sorted(numbers)
            holes = len(offsets) != max(offsets) - min(offsets) + 1
            assert not holes, f"offsets are missing in partition {partition}"
            in_order = [numbers[offset] for offset in offsets]
            is_right = not self._idempotent or all(a < b for a, b in zip(in_order, in_order[1:]))
            assert is_right, f"records of partition {partition} are doubled, or in another order"

    def _read_all(self, bootstrap):
        config = {"bootstrap.servers": bootstrap, "group.id": "check", "enable.auto.commit": False}
        consumer = Consumer({**config, "enable.partition.eof": True, "auto.offset.reset": "earliest"})
        consumer.assign([TopicPartition(self.topic, n, OFFSET_BEGINNING) for n in range(_PARTITIONS)])
        found, ended = {}, set()
        while len(ended) < _PARTITIONS:
            for message in consumer.consume(10000, timeout=1):
                if not message.error():
                    found[(message.partition(), message.offset())] = message.value()
                    continue
                assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
                ended.add(message.partition())
        consumer.close()
        return found

"""Records whose acknowledgements are kept, and the check that all of them are there."""

import threading

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from harness import topics

_PARTITIONS = 20


class Load:
    """Produces values that are never the same to many partitions, from a thread, until told to stop."""

    def __init__(self, bootstrap, topic):
        self._bootstrap = bootstrap
        self.topic = topic
        self.acknowledged = {}
        self._next = 0

    def create_topic(self):
        topics.create(self._bootstrap, self.topic, _PARTITIONS)

    def run_until(self, stop):
        """Produces until `stop` is set; what is not acknowledged then may be there or not."""
        config = {"bootstrap.servers": self._bootstrap, "acks": "all", "linger.ms": 1, "message.timeout.ms": 60000}
        producer = Producer({**config, "log_level": 0})
        while not stop.is_set():
            for _ in range(20):
                value = f"{self._next} " + "x" * (self._next * 37 % 900)
                producer.produce(self.topic, value, partition=self._next % _PARTITIONS, on_delivery=self._delivered)
                self._next += 1
            producer.poll(0.001)
        producer.poll(0)
        producer.purge()

    def _delivered(self, error, message):
        if error is None:
            self.acknowledged[(message.partition(), message.offset())] = message.value()

    def start(self):
        """A thread that produces, and how to stop it."""
        stop = threading.Event()
        thread = threading.Thread(target=self.run_until, args=(stop,))
        thread.start()

        def end():
            stop.set()
            thread.join()

        return end

    def check(self):
        """Every acknowledged record is at its offset."""
        found = self._read_all()
        lost = {place for place, value in self.acknowledged.items() if found.get(place) != value}
        assert not lost, f"{len(lost)} of {len(self.acknowledged)} acknowledged records are lost: {sorted(lost)[:10]}"

    def _read_all(self):
        config = {"bootstrap.servers": self._bootstrap, "group.id": "check", "enable.partition.eof": True}
        consumer = Consumer({**config, "auto.offset.reset": "earliest"})
        consumer.assign([TopicPartition(self.topic, n, OFFSET_BEGINNING) for n in range(_PARTITIONS)])
        found, ended = {}, set()
        while len(ended) < _PARTITIONS:
            for message in consumer.consume(10000, timeout=1):
                if message.error():
                    ended.add(message.partition())
                else:
                    found[(message.partition(), message.offset())] = message.value()
        consumer.close()
        return found

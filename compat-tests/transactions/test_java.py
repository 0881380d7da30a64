"""The Java producer, consumer and admin client; the cases are Transaction*.java of java_clients."""

import pytest

from harness.java_cases import JavaCases


@pytest.fixture(scope="module")
def cases(broker):
    with JavaCases(broker) as cases:
        yield cases


@pytest.fixture
def passes(cases, level):
    """passes("name") runs the case at each level of transaction.version."""
    return cases.passes


def test_commit_and_abort(passes):
    """20 transactions over 3 partitions: readers of what is committed get that, others all, and markers take their offsets."""
    passes("commitAndAbort")


def test_open_transaction(passes):
    """Readers of what is committed wait before the first record of an open transaction, whoever wrote what follows."""
    passes("openTransactionHoldsBack")


def test_overlapping_transactions(passes):
    """6 producers in one partition: each transaction counts or not, wherever its records are."""
    passes("overlapping")


def test_reading_from_each_offset(passes):
    """The same records are read from any offset on, also from within aborted transactions."""
    passes("fromEachOffset")


def test_many_segments(passes):
    """An aborted transaction that reaches over all of several segments, and others in each."""
    passes("manySegments")


def test_many_partitions(passes):
    """Transactions of 100 partitions in 4 topics."""
    passes("manyPartitions")


def test_many_records(passes):
    """25,000 records in small batches, 5 in flight: every offset as it must be."""
    passes("manyRecords")


def test_deleted_topic(passes):
    """A transaction is committed though one of its topics was deleted."""
    passes("deletedTopic")


def test_empty_transactions(passes):
    """Transactions with nothing in them, committed and aborted, between others."""
    passes("emptyTransactions")


def test_fenced_while_open(passes):
    """A second producer of the same id aborts the first's transaction; the first cannot commit."""
    passes("fencedWhileOpen")


def test_fenced_while_sending(passes):
    """What a fenced producer sends is refused."""
    passes("fencedWhileSending")


def test_fenced_while_idle(passes):
    """The same of one that had no transaction open."""
    passes("fencedWhileIdle")


def test_timeout(passes):
    """The coordinator aborts a transaction after transaction.timeout.ms and fences its producer."""
    passes("timeout")


def test_timeout_too_long(passes):
    """A timeout over transaction.max.timeout.ms is refused."""
    passes("timeoutTooLong")


def test_refused_record(passes):
    """After a refused record the transaction can only be aborted, and the next one commits."""
    passes("refusedRecord")


def test_successors(passes):
    """Producers of one id, one after the other, some closed with a transaction open."""
    passes("successors")


def test_offsets_of_classic_group(passes):
    """Offsets in a transaction count from its commit on; who asks for stable ones waits while it is open."""
    passes("offsetsOfClassicGroup")


def test_offsets_of_consumer_group(passes):
    """The same of a group of the consumer protocol."""
    passes("offsetsOfConsumerGroup")


def test_successor_waits(passes):
    """Who takes a partition over begins to read when the transaction with its offsets is ended."""
    passes("successorWaits")


def test_member_of_yesterday(passes):
    """A member that has left cannot commit offsets in a transaction; a group without members takes them from nobody in particular."""
    passes("memberOfYesterday")


def test_static_member_taken_over(passes):
    """A static member that was replaced cannot either."""
    passes("staticMemberTakenOver")


def test_copy_in_classic_group(passes):
    """Two members copy 4 partitions while every third transaction is aborted: each record is copied once, in order."""
    passes("copyInClassicGroup")


def test_copy_in_consumer_group(passes):
    """The same by the consumer protocol."""
    passes("copyInConsumerGroup")


def test_offsets_of_several_groups(passes):
    """A transaction with offsets of 12 groups and no records."""
    passes("severalGroups")


def test_reader_of_a_group(passes):
    """A group reads what is committed and commits behind an aborted transaction."""
    passes("readersOfOneGroup")


def test_describe(passes):
    """describeTransactions and describeProducers through a transaction's life."""
    passes("describeTransaction")


def test_list(passes):
    """listTransactions by state, producer, duration and pattern."""
    passes("listTransactions")


def test_fence_producers(passes):
    """fenceProducers aborts an id's transaction and bumps its epoch."""
    passes("fenceProducers")


def test_force_terminate(passes):
    """forceTerminateTransaction does the same; the id goes on with another producer."""
    passes("forceTerminate")


def test_abort_by_an_operator(passes):
    """abortTransaction writes the marker into one partition."""
    passes("abortTransaction")

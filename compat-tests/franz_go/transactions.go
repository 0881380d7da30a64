package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func (r *run) transactional(id string) (*kgo.Client, error) {
	return r.client(kgo.TransactionalID(id), kgo.RecordPartitioner(kgo.ManualPartitioner()))
}

// ends gives the end of each partition, as readers of what is committed see it or as all others do.
func (r *run) ends(topic string, committed bool) (map[int32]int64, error) {
	admin, done, err := r.admin()
	if err != nil {
		return nil, err
	}
	defer done()
	list := admin.ListEndOffsets
	if committed {
		list = admin.ListCommittedOffsets
	}
	listed, err := list(r, topic)
	if err != nil {
		return nil, err
	}
	ends := map[int32]int64{}
	for _, each := range listed[topic] {
		ends[each.Partition] = each.Offset
	}
	return ends, listed.Error()
}

// settled waits until no transaction holds readers back: markers are written after the producer is told of the end.
func (r *run) settled(topic string) error {
	return r.soon(func() error {
		committed, err := r.ends(topic, true)
		if err != nil {
			return err
		}
		all, err := r.ends(topic, false)
		return errors.Join(err, equal(all, committed, "ends for readers of what is committed"))
	})
}

// read gives the values of each partition up to its end.
func (r *run) read(topic string, isolation kgo.IsolationLevel) (map[int32][]string, error) {
	ends, err := r.ends(topic, isolation == kgo.ReadCommitted())
	if err != nil {
		return nil, err
	}
	client, err := r.client(kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(isolation), kgo.KeepControlRecords())
	if err != nil {
		return nil, err
	}
	defer client.Close()
	found, next := map[int32][]string{}, map[int32]int64{}
	for !atEnd(next, ends) {
		fetches := client.PollFetches(r)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("at %v of %v: %w", next, ends, err)
		}
		for _, record := range fetches.Records() {
			next[record.Partition] = record.Offset + 1
			if !record.Attrs.IsControl() {
				found[record.Partition] = append(found[record.Partition], string(record.Value))
			}
		}
	}
	return found, nil
}

func atEnd(next, ends map[int32]int64) bool {
	for partition, end := range ends {
		if next[partition] < end {
			return false
		}
	}
	return true
}

// transactions commits and aborts over 3 partitions, with many small batches.
func transactions(r *run) error {
	topic, err := r.topic("transactions", 3)
	if err != nil {
		return err
	}
	client, err := r.transactional(fresh("id"))
	if err != nil {
		return err
	}
	defer client.Close()
	kept, all := map[int32][]string{}, map[int32][]string{}
	for n := range 20 {
		if err := client.BeginTransaction(); err != nil {
			return err
		}
		for i := range 30 {
			partition, value := int32(i%3), fmt.Sprintf("%d.%d", n, i)
			record := &kgo.Record{Topic: topic, Partition: partition, Value: []byte(value)}
			if err := client.ProduceSync(r, record).FirstErr(); err != nil {
				return err
			}
			all[partition] = append(all[partition], value)
			if n%3 != 1 {
				kept[partition] = append(kept[partition], value)
			}
		}
		if err := client.EndTransaction(r, kgo.TransactionEndTry(n%3 != 1)); err != nil {
			return err
		}
	}
	// With nothing in it.
	if err := errors.Join(client.BeginTransaction(), client.EndTransaction(r, kgo.TryCommit)); err != nil {
		return err
	}
	if err := r.settled(topic); err != nil {
		return err
	}
	committed, err := r.read(topic, kgo.ReadCommitted())
	if err != nil {
		return err
	}
	uncommitted, err := r.read(topic, kgo.ReadUncommitted())
	return errors.Join(err, equal(kept, committed, "committed values"), equal(all, uncommitted, "all values"))
}

// transactionFenced has a second client take the id of one with an open transaction.
func transactionFenced(r *run) error {
	topic, err := r.topic("fenced", 1)
	if err != nil {
		return err
	}
	id := fresh("id")
	first, err := r.transactional(id)
	if err != nil {
		return err
	}
	defer first.Close()
	second, err := r.transactional(id)
	if err != nil {
		return err
	}
	defer second.Close()
	send := func(client *kgo.Client, value string) error {
		return client.ProduceSync(r, &kgo.Record{Topic: topic, Value: []byte(value)}).FirstErr()
	}
	if err := errors.Join(first.BeginTransaction(), send(first, "of the first")); err != nil {
		return err
	}
	if err := errors.Join(second.BeginTransaction(), send(second, "of the second")); err != nil {
		return err
	}
	refused := first.EndTransaction(r, kgo.TryCommit)
	if !errors.Is(refused, kerr.ProducerFenced) && !errors.Is(refused, kerr.InvalidProducerEpoch) {
		return fmt.Errorf("the first's commit: %v", refused)
	}
	if err := second.EndTransaction(r, kgo.TryCommit); err != nil {
		return err
	}
	if err := r.settled(topic); err != nil {
		return err
	}
	committed, err := r.read(topic, kgo.ReadCommitted())
	return errors.Join(err, equal(map[int32][]string{0: {"of the second"}}, committed, "committed values"))
}

// transactionSessions has two sessions copy 4 partitions of a group's topic while every third transaction is aborted.
func transactionSessions(r *run) error {
	const each = 300
	source, err := r.topic("source", 4)
	if err != nil {
		return err
	}
	target, err := r.topic("target", 4)
	if err != nil {
		return err
	}
	expected, err := r.fillInTransaction(source, each)
	if err != nil {
		return err
	}
	group := fresh("group")
	ctx, stop := context.WithCancel(r)
	defer stop()
	failed := make(chan error, 2)
	for range 2 {
		go func() { failed <- r.copies(ctx, source, target, group) }()
	}
	err = r.soon(func() error {
		select {
		case err := <-failed:
			stop()
			return fmt.Errorf("a session ended: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
		copied, err := r.read(target, kgo.ReadCommitted())
		count := 0
		for _, values := range copied {
			count += len(values)
		}
		return errors.Join(err, equal(4*each, count, "records in the target"))
	})
	stop()
	if err != nil {
		return err
	}
	copied, err := r.read(target, kgo.ReadCommitted())
	return errors.Join(err, equal(expected, copied, "the target"))
}

// fillInTransaction writes numbers to 4 partitions.
func (r *run) fillInTransaction(topic string, each int) (map[int32][]string, error) {
	client, err := r.transactional(fresh("id"))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var records []*kgo.Record
	all := map[int32][]string{}
	for i := range 4 * each {
		partition, value := int32(i%4), strconv.Itoa(i)
		records = append(records, &kgo.Record{Topic: topic, Partition: partition, Value: []byte(value)})
		all[partition] = append(all[partition], value)
	}
	err = errors.Join(
		client.BeginTransaction(), client.ProduceSync(r, records...).FirstErr(), client.EndTransaction(r, kgo.TryCommit))
	return all, err
}

// copies copies until it is told to stop.
func (r *run) copies(ctx context.Context, source, target, group string, options ...kgo.Opt) error {
	session, err := kgo.NewGroupTransactSession(append([]kgo.Opt{
		kgo.SeedBrokers(r.bootstrap...), kgo.TransactionalID(fresh("copier")), kgo.ConsumerGroup(group), kgo.ConsumeTopics(source),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.FetchMaxPartitionBytes(1_000),
	}, options...)...)
	if err != nil {
		return err
	}
	defer session.Close()
	for turn := 1; ; turn++ {
		fetches := session.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err := fetches.Err(); err != nil {
			return err
		}
		if err := session.Begin(); err != nil {
			return err
		}
		fetches.EachRecord(func(record *kgo.Record) {
			session.Produce(ctx, &kgo.Record{Topic: target, Partition: record.Partition, Value: record.Value}, nil)
		})
		// What a rebalance took away is not committed, which is no error.
		if _, err := session.End(ctx, kgo.TransactionEndTry(turn%3 != 0)); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// copier copies as a program of its own: source, target, group, transactional id, timeout of transactions in ms.
func copier(r *run) error {
	timeout, err := strconv.Atoi(os.Args[7])
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return r.copies(ctx, os.Args[3], os.Args[4], os.Args[5],
		kgo.TransactionalID(os.Args[6]), kgo.TransactionTimeout(time.Duration(timeout)*time.Millisecond),
		kgo.SessionTimeout(6*time.Second), kgo.HeartbeatInterval(500*time.Millisecond), kgo.FetchMaxPartitionBytes(20_000))
}

// transactionAdmin describes, lists and fences an open transaction with kadm.
func transactionAdmin(r *run) error {
	topic, err := r.topic("asked", 1)
	if err != nil {
		return err
	}
	admin, done, err := r.admin()
	if err != nil {
		return err
	}
	defer done()
	id := fresh("id")
	client, err := r.transactional(id)
	if err != nil {
		return err
	}
	defer client.Close()
	record := &kgo.Record{Topic: topic, Value: []byte("inside")}
	if err := errors.Join(client.BeginTransaction(), client.ProduceSync(r, record).FirstErr()); err != nil {
		return err
	}
	described, err := admin.DescribeTransactions(r, id)
	if err != nil {
		return err
	}
	listed, err := admin.ListTransactions(r, nil, []string{"Ongoing"})
	if err != nil {
		return err
	}
	writers, err := admin.DescribeProducers(r, kadm.TopicsSet{topic: {0: {}}})
	if err != nil {
		return err
	}
	transaction, writer := described[id], writers[topic].Partitions[0].ActiveProducers.Sorted()
	if err := errors.Join(
		transaction.Err,
		equal("Ongoing", transaction.State, "state"),
		equal([]string{topic}, transaction.Topics.Topics(), "topics"),
		equal(true, slices.Contains(listed.TransactionalIDs(), id), "whether it is listed"),
		equal(1, len(writer), "producers"),
	); err != nil {
		return err
	}
	if err := errors.Join(
		equal(transaction.ProducerID, writer[0].ProducerID, "producer id"),
		equal(int64(0), writer[0].CurrentTxnStartOffset, "start offset"),
	); err != nil {
		return err
	}
	return client.EndTransaction(r, kgo.TryAbort)
}

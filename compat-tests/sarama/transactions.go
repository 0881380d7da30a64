package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/IBM/sarama"
)

func transactionalConfig(id string) *sarama.Config {
	return config(func(config *sarama.Config) {
		config.Producer.Idempotent = true
		config.Producer.RequiredAcks = sarama.WaitForAll
		config.Net.MaxOpenRequests = 1
		config.Producer.Transaction.ID = id
	})
}

func (r *run) transactional(id string) (sarama.SyncProducer, error) {
	return sarama.NewSyncProducer(r.bootstrap, transactionalConfig(id))
}

// lastStable waits until no transaction holds readers back, and gives the end of each partition.
func (r *run) lastStable(topic string, partitions int32) (map[int32]int64, error) {
	admin, err := r.admin()
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	asked := map[int32]int64{}
	for partition := range partitions {
		asked[partition] = sarama.OffsetNewest
	}
	ends := map[int32]int64{}
	return ends, r.soon(func() error {
		for _, isolation := range []sarama.IsolationLevel{sarama.ReadUncommitted, sarama.ReadCommitted} {
			listed, err := admin.ListOffsets(map[string]map[int32]int64{topic: asked}, &sarama.ListOffsetsOptions{IsolationLevel: isolation})
			if err != nil {
				return err
			}
			for partition, end := range listed[topic] {
				if isolation == sarama.ReadCommitted && end.Offset != ends[partition] {
					return fmt.Errorf("a transaction is open in partition %d", partition)
				}
				ends[partition] = end.Offset
			}
		}
		return nil
	})
}

// committed gives what is committed in a partition that ends with the marker of a commit.
func (r *run) committed(topic string, partition int32, count int) ([]string, error) {
	consumer, err := sarama.NewConsumer(r.bootstrap, config(func(config *sarama.Config) {
		config.Consumer.IsolationLevel = sarama.ReadCommitted
	}))
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	got, err := r.partition(consumer, topic, partition, count)
	values := make([]string, len(got))
	for i, record := range got {
		values[i] = string(record.Value)
	}
	return values, err
}

// transactions commits and aborts over 2 partitions.
func transactions(r *run) error {
	topic, err := r.topic("transactions", 2)
	if err != nil {
		return err
	}
	producer, err := r.transactional(fresh("id"))
	if err != nil {
		return err
	}
	defer producer.Close()
	kept := map[int32][]string{}
	for n := range 15 {
		if err := producer.BeginTxn(); err != nil {
			return err
		}
		var messages []*sarama.ProducerMessage
		for i := range 20 {
			partition, value := int32(i%2), fmt.Sprintf("%d.%d", n, i)
			messages = append(messages, &sarama.ProducerMessage{Topic: topic, Partition: partition, Value: sarama.StringEncoder(value)})
			if n%3 != 1 {
				kept[partition] = append(kept[partition], value)
			}
		}
		if err := producer.SendMessages(messages); err != nil {
			return err
		}
		end := producer.CommitTxn
		if n%3 == 1 {
			end = producer.AbortTxn
		}
		if err := end(); err != nil {
			return err
		}
	}
	ends, err := r.lastStable(topic, 2)
	if err != nil {
		return err
	}
	// 10 records and a marker in each partition by each transaction.
	if err := equal(map[int32]int64{0: 165, 1: 165}, ends, "ends"); err != nil {
		return err
	}
	for partition := range int32(2) {
		values, err := r.committed(topic, partition, len(kept[partition]))
		if err := errors.Join(err, equal(kept[partition], values, "committed values")); err != nil {
			return err
		}
	}
	return nil
}

// transactionFenced has a second producer take the id of one with an open transaction.
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
	send := func(producer sarama.SyncProducer, value string) error {
		_, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(value)})
		return err
	}
	if err := errors.Join(first.BeginTxn(), send(first, "of the first")); err != nil {
		return err
	}
	second, err := r.transactional(id)
	if err != nil {
		return err
	}
	defer second.Close()
	if err := errors.Join(second.BeginTxn(), send(second, "of the second")); err != nil {
		return err
	}
	refused := first.CommitTxn()
	if !errors.Is(refused, sarama.ErrProducerFenced) && !errors.Is(refused, sarama.ErrInvalidProducerEpoch) {
		return fmt.Errorf("the first's commit: %v", refused)
	}
	if err := second.CommitTxn(); err != nil {
		return err
	}
	if _, err := r.lastStable(topic, 1); err != nil {
		return err
	}
	values, err := r.committed(topic, 0, 1)
	return errors.Join(err, equal([]string{"of the second"}, values, "committed values"))
}

// copier is a member that copies what it is given, batch by batch, and aborts every third.
type copier struct {
	producer sarama.SyncProducer
	target   string
	group    string
	turns    int
}

func (*copier) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (*copier) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (c *copier) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		var batch []*sarama.ConsumerMessage
		pause := time.After(100 * time.Millisecond)
	collecting:
		for len(batch) < 40 {
			select {
			case <-session.Context().Done():
				return nil
			case message, more := <-claim.Messages():
				if !more {
					return nil
				}
				batch = append(batch, message)
			case <-pause:
				break collecting
			}
		}
		if len(batch) == 0 {
			continue
		}
		committed, err := c.copy(batch)
		if err != nil {
			return err
		}
		if !committed {
			// The next session begins where the last commit was.
			return nil
		}
	}
}

func (c *copier) copy(batch []*sarama.ConsumerMessage) (bool, error) {
	c.turns++
	if err := c.producer.BeginTxn(); err != nil {
		return false, err
	}
	for _, message := range batch {
		_, _, err := c.producer.SendMessage(&sarama.ProducerMessage{Topic: c.target, Value: sarama.ByteEncoder(message.Value)})
		if err != nil {
			return false, err
		}
	}
	if err := c.producer.AddMessageToTxn(batch[len(batch)-1], c.group, nil); err != nil {
		return false, err
	}
	if c.turns%3 == 0 {
		return false, c.producer.AbortTxn()
	}
	return true, c.producer.CommitTxn()
}

// transactionCopy copies a partition in transactions that have the group's offsets.
func transactionCopy(r *run) error {
	const count = 300
	source, err := r.topic("source", 1)
	if err != nil {
		return err
	}
	target, err := r.topic("target", 1)
	if err != nil {
		return err
	}
	producer, err := r.transactional(fresh("id"))
	if err != nil {
		return err
	}
	defer producer.Close()
	var expected []string
	var messages []*sarama.ProducerMessage
	for i := range count {
		expected = append(expected, strconv.Itoa(i))
		messages = append(messages, &sarama.ProducerMessage{Topic: source, Value: sarama.StringEncoder(strconv.Itoa(i))})
	}
	if err := errors.Join(producer.BeginTxn(), producer.SendMessages(messages), producer.CommitTxn()); err != nil {
		return err
	}
	name := fresh("group")
	group, err := sarama.NewConsumerGroup(r.bootstrap, name, config(func(config *sarama.Config) {
		config.Consumer.IsolationLevel = sarama.ReadCommitted
		config.Consumer.Offsets.AutoCommit.Enable = false
	}))
	if err != nil {
		return err
	}
	defer group.Close()
	ctx, stop := context.WithCancel(r)
	failed := make(chan error, 1)
	go func() {
		self := &copier{producer: producer, target: target, group: name}
		for ctx.Err() == nil {
			if err := group.Consume(ctx, []string{source}, self); err != nil && ctx.Err() == nil {
				failed <- err
				return
			}
		}
		failed <- nil
	}()
	values, err := r.committed(target, 0, count)
	stop()
	return errors.Join(err, <-failed, equal(expected, values, "the target"))
}

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/IBM/sarama"
)

const (
	copiedAtOnce = 500
	copiesAgain  = 0.1
)

// faithful is a member that copies partition by partition, until SIGTERM. sarama commits offsets without saying which generation of
// the group they are of, so whoever has a partition takes the transactional id that belongs to it, and fences who had it before.
type faithful struct {
	client        sarama.Client
	target, group string
	timeout       time.Duration
}

// copyFaithfully is a program of its own: source, target, group, timeout of transactions in ms.
func copyFaithfully(bootstrap string, arguments []string) error {
	timeout, err := strconv.Atoi(arguments[3])
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	client, err := sarama.NewClient(strings.Split(bootstrap, ","), config(func(config *sarama.Config) {
		config.Consumer.IsolationLevel = sarama.ReadCommitted
		config.Consumer.Offsets.AutoCommit.Enable = false
		config.Consumer.Group.Session.Timeout = 6 * time.Second
		config.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
		config.Metadata.Retry.Max = 100
		config.Net.ReadTimeout = 10 * time.Second
	}))
	if err != nil {
		return err
	}
	defer client.Close()
	group, err := sarama.NewConsumerGroupFromClient(arguments[2], client)
	if err != nil {
		return err
	}
	self := &faithful{client, arguments[1], arguments[2], time.Duration(timeout) * time.Millisecond}
	for ctx.Err() == nil {
		if err := group.Consume(ctx, arguments[:1], self); err != nil {
			fmt.Fprintln(os.Stderr, err)
			time.Sleep(100 * time.Millisecond)
		}
	}
	return group.Close()
}

func (*faithful) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (*faithful) Cleanup(sarama.ConsumerGroupSession) error { return nil }

// ConsumeClaim ends with the session, or ends it: the next begins with another producer, where the last commit was.
func (f *faithful) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	err := f.copies(session.Context(), claim)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s-%d: %v\n", claim.Topic(), claim.Partition(), err)
	}
	return err
}

func (f *faithful) copies(ctx context.Context, claim sarama.ConsumerGroupClaim) error {
	settings := transactionalConfig(fmt.Sprintf("%s-%d", f.group, claim.Partition()))
	settings.Producer.Transaction.Timeout = f.timeout
	settings.Net.ReadTimeout = 10 * time.Second
	brokers := []string{}
	for _, broker := range f.client.Brokers() {
		brokers = append(brokers, broker.Addr())
	}
	producer, err := sarama.NewSyncProducer(brokers, settings)
	if err != nil {
		return err
	}
	defer producer.Close()
	// No transaction is open any more, so this is where the next one begins, whatever the session was told.
	next, err := f.committed(claim.Topic(), claim.Partition())
	if err != nil {
		return err
	}
	for {
		batch := gather(ctx, claim, copiedAtOnce)
		if batch == nil {
			return nil
		}
		fresh := batch[:0]
		for _, message := range batch {
			if message.Offset >= next {
				fresh = append(fresh, message)
			}
		}
		if len(fresh) == 0 {
			continue
		}
		for committed := false; !committed; {
			committed = rand.Float64() >= copiesAgain
			if err := f.copy(producer, fresh, committed); err != nil {
				return err
			}
		}
	}
}

func (f *faithful) committed(topic string, partition int32) (int64, error) {
	admin, err := sarama.NewClusterAdminFromClient(f.client)
	if err != nil {
		return 0, err
	}
	found, err := admin.ListConsumerGroupOffsets(f.group, map[string][]int32{topic: {partition}})
	if err != nil {
		return 0, err
	}
	block := found.GetBlock(topic, partition)
	if block == nil || !errors.Is(block.Err, sarama.ErrNoError) {
		return 0, fmt.Errorf("the offset of %s-%d: %+v", topic, partition, block)
	}
	return block.Offset, nil
}

func (f *faithful) copy(producer sarama.SyncProducer, batch []*sarama.ConsumerMessage, commit bool) error {
	if err := producer.BeginTxn(); err != nil {
		return err
	}
	messages := make([]*sarama.ProducerMessage, len(batch))
	for i, message := range batch {
		messages[i] = &sarama.ProducerMessage{
			Topic: f.target, Partition: message.Partition, Value: sarama.ByteEncoder(message.Value),
		}
	}
	if err := producer.SendMessages(messages); err != nil {
		return err
	}
	if err := producer.AddMessageToTxn(batch[len(batch)-1], f.group, nil); err != nil {
		return err
	}
	if !commit {
		return producer.AbortTxn()
	}
	return producer.CommitTxn()
}

// gather waits for messages, and gives those that are there; none when the session ends.
func gather(ctx context.Context, claim sarama.ConsumerGroupClaim, most int) []*sarama.ConsumerMessage {
	var batch []*sarama.ConsumerMessage
	var pause <-chan time.Time
	for len(batch) < most {
		select {
		case <-ctx.Done():
			return nil
		case message, more := <-claim.Messages():
			if !more {
				return nil
			}
			if batch = append(batch, message); pause == nil {
				pause = time.After(20 * time.Millisecond)
			}
		case <-pause:
			return batch
		}
	}
	return batch
}

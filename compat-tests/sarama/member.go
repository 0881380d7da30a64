package main

import (
	"context"
	"errors"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/IBM/sarama"

	"ottla/compat/history"
)

const commitEvery = 200 * time.Millisecond

// witness is a member of a group that writes its history until SIGTERM.
type witness struct {
	wish     history.Wish
	recorder *history.Recorder
	client   sarama.Client
	asking   sync.Mutex
}

func bearWitness() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	wish, err := history.ReadWish()
	if err != nil {
		return err
	}
	recorder, err := history.Open(wish)
	if err != nil {
		return err
	}
	client, err := sarama.NewClient(strings.Split(wish.Bootstrap, ","), config(wishes(wish)))
	if err != nil {
		return err
	}
	defer client.Close()
	group, err := sarama.NewConsumerGroupFromClient(wish.Group, client)
	if err != nil {
		return err
	}
	self := &witness{wish: wish, recorder: recorder, client: client}
	for ctx.Err() == nil {
		// Whatever went wrong, a broker that is away for one, it joins again.
		if err := group.Consume(ctx, []string{wish.Topic}, self); err != nil {
			time.Sleep(100 * time.Millisecond)
		}
	}
	return group.Close()
}

func wishes(wish history.Wish) func(*sarama.Config) {
	strategies := map[string]sarama.BalanceStrategy{
		"range": sarama.NewBalanceStrategyRange(), "sticky": sarama.NewBalanceStrategySticky(),
	}
	return func(config *sarama.Config) {
		config.Consumer.Offsets.AutoCommit.Enable = false
		config.Consumer.Group.Session.Timeout = time.Duration(wish.SessionMs) * time.Millisecond
		config.Consumer.Group.Heartbeat.Interval = time.Duration(wish.HeartbeatMs) * time.Millisecond
		config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategies[wish.Protocol]}
		config.Metadata.RefreshFrequency = time.Second
		config.Metadata.Retry.Max = 100
		config.Net.ReadTimeout = 10 * time.Second
	}
}

func (w *witness) Setup(session sarama.ConsumerGroupSession) error {
	claims := session.Claims()[w.wish.Topic]
	w.recorder.Assigned(claims)
	w.recorder.Owns(session.GenerationID(), claims)
	go func() {
		for {
			select {
			case <-time.After(commitEvery):
				w.commit(session)
			case <-session.Context().Done():
				return
			}
		}
	}()
	return nil
}

// Cleanup comes when nothing is consumed any more, and before the partitions are given away.
func (w *witness) Cleanup(session sarama.ConsumerGroupSession) error {
	session.Commit()
	w.recorder.Owns(session.GenerationID(), nil)
	return nil
}

func (w *witness) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case record, more := <-claim.Messages():
			if !more {
				return nil
			}
			w.recorder.Read(history.Record{Partition: record.Partition, Offset: record.Offset, Value: record.Value})
			session.MarkMessage(record, "")
		case <-session.Context().Done():
			return nil
		}
	}
}

// commit does not tell what became of it, so the coordinator is asked what is committed.
func (w *witness) commit(session sarama.ConsumerGroupSession) {
	// One generation's last may still be under way when the next begins.
	w.asking.Lock()
	defer w.asking.Unlock()
	session.Commit()
	w.recorder.Begins("fetch_committed")
	offsets, err := w.committed(session.Claims()[w.wish.Topic])
	w.recorder.Done("fetch_committed", offsets, err)
}

func (w *witness) committed(partitions []int32) (map[int32]int64, error) {
	coordinator, err := w.client.Coordinator(w.wish.Group)
	if err != nil {
		return nil, err
	}
	asked := map[string][]int32{w.wish.Topic: slices.Clone(partitions)}
	answer, err := coordinator.FetchOffset(sarama.NewOffsetFetchRequest(sarama.MaxVersion, w.wish.Group, asked))
	if err != nil {
		_ = w.client.RefreshCoordinator(w.wish.Group)
		return nil, err
	}
	offsets := map[int32]int64{}
	for _, partition := range partitions {
		block := answer.GetBlock(w.wish.Topic, partition)
		if block == nil || !errors.Is(block.Err, sarama.ErrNoError) || !errors.Is(answer.Err, sarama.ErrNoError) {
			return nil, errors.New("not answered")
		}
		if block.Offset >= 0 {
			offsets[partition] = block.Offset
		}
	}
	return offsets, nil
}

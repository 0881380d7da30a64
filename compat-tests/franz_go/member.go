package main

import (
	"context"
	"maps"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/compat/history"
)

const commitEvery = 200 * time.Millisecond

// witness is a member of a group that writes its history until SIGTERM.
type witness struct {
	wish        history.Wish
	recorder    *history.Recorder
	client      *kgo.Client
	owned       map[int32]bool
	next        map[int32]kgo.EpochOffset
	committedAt time.Time
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
	self := &witness{wish: wish, recorder: recorder, owned: map[int32]bool{}, next: map[int32]kgo.EpochOffset{}}
	if self.client, err = kgo.NewClient(self.options()...); err != nil {
		return err
	}
	for ctx.Err() == nil {
		self.poll(ctx)
	}
	self.commit()
	self.client.CloseAllowingRebalance()
	return nil
}

func (w *witness) options() []kgo.Opt {
	options := []kgo.Opt{
		kgo.SeedBrokers(strings.Split(w.wish.Bootstrap, ",")...),
		kgo.ConsumerGroup(w.wish.Group),
		kgo.ConsumeTopics(w.wish.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.SessionTimeout(time.Duration(w.wish.SessionMs) * time.Millisecond),
		kgo.HeartbeatInterval(time.Duration(w.wish.HeartbeatMs) * time.Millisecond),
		kgo.MetadataMaxAge(time.Second),
		kgo.MetadataMinAge(200 * time.Millisecond),
		kgo.FetchMaxWait(100 * time.Millisecond),
		kgo.DisableAutoCommit(),
		// What was read is committed before anything is given away.
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(w.assigned),
		kgo.OnPartitionsRevoked(w.revoked),
		kgo.OnPartitionsLost(w.lost),
	}
	switch w.wish.Protocol {
	case "range":
		return append(options, kgo.Balancers(kgo.RangeBalancer()))
	case "cooperative":
		return append(options, kgo.Balancers(kgo.CooperativeStickyBalancer()))
	case "consumer":
		return append(options, kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
	}
	panic("no protocol " + w.wish.Protocol)
}

func (w *witness) poll(ctx context.Context) {
	soon, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	fetches := w.client.PollFetches(soon)
	defer w.client.AllowRebalance()
	var read []history.Record
	fetches.EachRecord(func(record *kgo.Record) {
		read = append(read, history.Record{Partition: record.Partition, Offset: record.Offset, Value: record.Value})
		w.next[record.Partition] = kgo.EpochOffset{Epoch: record.LeaderEpoch, Offset: record.Offset + 1}
	})
	if len(read) > 0 {
		w.recorder.Read(read...)
	}
	w.noteOwned()
	if time.Since(w.committedAt) > commitEvery {
		w.commit()
	}
}

func (w *witness) noteOwned() {
	_, generation := w.client.GroupMetadata()
	w.recorder.Owns(generation, slices.Collect(maps.Keys(w.owned)))
}

func (w *witness) commit() {
	offsets := w.next
	w.next, w.committedAt = map[int32]kgo.EpochOffset{}, time.Now()
	if len(offsets) == 0 {
		return
	}
	// A commit is not given up when the member is told to end.
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	w.recorder.Begins("commit")
	committed := map[int32]int64{}
	var problem error
	done := func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
		if problem = err; err != nil {
			return
		}
		for _, topic := range answer.Topics {
			for _, partition := range topic.Partitions {
				if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
					problem = err
				}
				committed[partition.Partition] = offsets[partition.Partition].Offset
			}
		}
	}
	w.client.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{w.wish.Topic: offsets}, done)
	w.recorder.Done("commit", committed, problem)
}

func (w *witness) assigned(_ context.Context, _ *kgo.Client, added map[string][]int32) {
	partitions := added[w.wish.Topic]
	for _, partition := range partitions {
		w.owned[partition] = true
	}
	w.recorder.Assigned(partitions)
	w.noteOwned()
}

func (w *witness) revoked(_ context.Context, _ *kgo.Client, removed map[string][]int32) {
	w.commit()
	w.gone(removed)
}

func (w *witness) lost(_ context.Context, _ *kgo.Client, removed map[string][]int32) {
	clear(w.next)
	w.gone(removed)
}

func (w *witness) gone(removed map[string][]int32) {
	for _, partition := range removed[w.wish.Topic] {
		delete(w.owned, partition)
	}
	w.noteOwned()
}

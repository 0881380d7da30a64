package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// codecs sends 200 records through each codec and compares everything about them.
func codecs(r *run) error {
	all := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	for name, codec := range all {
		if err := r.codec(name, codec); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (r *run) codec(name string, codec kgo.CompressionCodec) error {
	topic, err := r.topic("codec-"+name, 1)
	if err != nil {
		return err
	}
	client, err := r.client(kgo.ProducerBatchCompression(codec), kgo.ConsumeTopics(topic), kgo.ProducerLinger(20*time.Millisecond))
	if err != nil {
		return err
	}
	defer client.Close()
	start := time.UnixMilli(time.Now().UnixMilli())
	sent := make([]*kgo.Record, 200)
	for i := range sent {
		sent[i] = &kgo.Record{
			Topic: topic, Key: fmt.Appendf(nil, "key-%d", i), Value: bytes.Repeat([]byte{byte(i)}, i),
			Timestamp: start.Add(time.Duration(i) * time.Millisecond),
			Headers:   []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "a", Value: nil}},
		}
	}
	sent[7].Key, sent[8].Value = nil, nil
	if err := client.ProduceSync(r, sent...).FirstErr(); err != nil {
		return err
	}
	got, err := r.receive(client, len(sent))
	if err != nil {
		return err
	}
	for i, record := range got {
		err := errors.Join(
			equal(int64(i), record.Offset, "offset"),
			equal(int64(i), sent[i].Offset, "acknowledged offset"),
			equal(sent[i].Key, record.Key, "key"),
			equal(string(sent[i].Value), string(record.Value), "value"),
			equal(sent[i].Value == nil, record.Value == nil, "null value"),
			equal(sent[i].Timestamp.UnixMilli(), record.Timestamp.UnixMilli(), "timestamp"),
			equal(sent[i].Headers, record.Headers, "headers"),
		)
		if err != nil {
			return fmt.Errorf("record %d: %w", i, err)
		}
	}
	return nil
}

// idempotent sends many small batches and checks that each partition has them in the order of sending.
func idempotent(r *run) error {
	return r.inOrder(3_000)
}

// acks does the same with acks 1 and without waiting for any.
func acks(r *run) error {
	for _, acks := range []kgo.Acks{kgo.LeaderAck(), kgo.NoAck(), kgo.AllISRAcks()} {
		if err := r.inOrder(300, kgo.RequiredAcks(acks), kgo.DisableIdempotentWrite()); err != nil {
			return fmt.Errorf("acks %v: %w", acks, err)
		}
	}
	return nil
}

func (r *run) inOrder(each int, options ...kgo.Opt) error {
	topic, err := r.topic("order", 3)
	if err != nil {
		return err
	}
	options = append(options, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(1_000), kgo.ConsumeTopics(topic))
	client, err := r.client(options...)
	if err != nil {
		return err
	}
	defer client.Close()
	var sent []*kgo.Record
	for i := range 3 * each {
		sent = append(sent, &kgo.Record{Topic: topic, Partition: int32(i % 3), Value: strconv.AppendInt(nil, int64(i), 10)})
	}
	if err := client.ProduceSync(r, sent...).FirstErr(); err != nil {
		return err
	}
	got, err := r.receive(client, len(sent))
	if err != nil {
		return err
	}
	next := map[int32]int64{}
	for _, record := range got {
		offset := next[record.Partition]
		next[record.Partition]++
		expected := strconv.FormatInt(3*offset+int64(record.Partition), 10)
		if err := errors.Join(equal(offset, record.Offset, "offset"), equal(expected, string(record.Value), "value")); err != nil {
			return err
		}
	}
	return nil
}

// groups consumes, commits half, and goes on there with a second member.
func groups(r *run) error {
	topic, err := r.topic("group", 1)
	if err != nil {
		return err
	}
	group := fresh("group")
	options := []kgo.Opt{kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit()}
	first, err := r.client(options...)
	if err != nil {
		return err
	}
	defer first.Close()
	for i := range 20 {
		record := &kgo.Record{Topic: topic, Value: strconv.AppendInt(nil, int64(i), 10)}
		if err := first.ProduceSync(r, record).FirstErr(); err != nil {
			return err
		}
	}
	read, err := r.receive(first, 20)
	if err != nil {
		return err
	}
	if err := first.CommitRecords(r, read[11]); err != nil {
		return err
	}
	first.Close()
	second, err := r.client(options...)
	if err != nil {
		return err
	}
	defer second.Close()
	rest, err := r.receive(second, 8)
	if err != nil {
		return err
	}
	for i, record := range rest {
		if err := equal(strconv.Itoa(12+i), string(record.Value), "value after the commit"); err != nil {
			return err
		}
	}
	return nil
}

// member is a group member that keeps polling and says what it owns.
type member struct {
	client *kgo.Client
	owned  chan map[int32]bool
	lost   chan []int32
}

func (r *run) join(topic, group string) (*member, error) {
	self := &member{owned: make(chan map[int32]bool, 100), lost: make(chan []int32, 100)}
	mine := map[int32]bool{}
	report := func() {
		snapshot := map[int32]bool{}
		for partition := range mine {
			snapshot[partition] = true
		}
		self.owned <- snapshot
	}
	var err error
	self.client, err = r.client(
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.HeartbeatInterval(200*time.Millisecond),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, added map[string][]int32) {
			for _, partition := range added[topic] {
				mine[partition] = true
			}
			report()
		}),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, removed map[string][]int32) {
			for _, partition := range removed[topic] {
				delete(mine, partition)
			}
			if len(removed[topic]) > 0 {
				self.lost <- removed[topic]
			}
			report()
		}),
	)
	return self, err
}

// settles waits until the member owns `count` partitions and returns them in order.
func (m *member) settles(r *run, count int) ([]int32, error) {
	for {
		select {
		case owned := <-m.owned:
			if len(owned) == count {
				var partitions []int32
				for partition := range owned {
					partitions = append(partitions, partition)
				}
				slices.Sort(partitions)
				return partitions, nil
			}
		case <-r.Done():
			return nil, fmt.Errorf("never owned %d partitions", count)
		}
	}
}

// cooperative lets a second member join and leave; the first gives up only what moves.
func cooperative(r *run) error {
	topic, err := r.topic("cooperative", 6)
	if err != nil {
		return err
	}
	group := fresh("group")
	first, err := r.join(topic, group)
	if err != nil {
		return err
	}
	defer first.client.Close()
	if _, err := first.settles(r, 6); err != nil {
		return err
	}
	second, err := r.join(topic, group)
	if err != nil {
		return err
	}
	defer second.client.Close()
	theirs, err := second.settles(r, 3)
	if err != nil {
		return err
	}
	ours, err := first.settles(r, 3)
	if err != nil {
		return err
	}
	together := append(slices.Clone(ours), theirs...)
	slices.Sort(together)
	given := <-first.lost
	slices.Sort(given)
	if err := errors.Join(
		equal([]int32{0, 1, 2, 3, 4, 5}, together, "partitions of both"),
		equal(theirs, given, "partitions the first gave up"),
	); err != nil {
		return err
	}
	second.client.Close()
	_, err = first.settles(r, 6)
	return err
}

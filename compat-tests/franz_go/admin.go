package main

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// filled makes a topic whose partition 0 holds `count` records, 100 ms apart from `start` on.
func (r *run) filled(base string, count int) (topic string, start time.Time, err error) {
	if topic, err = r.topic(base, 2); err != nil {
		return
	}
	client, err := r.client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return
	}
	defer client.Close()
	start = time.UnixMilli(time.Now().UnixMilli() - 10_000)
	for i := range count {
		at := start.Add(time.Duration(i) * 100 * time.Millisecond)
		if err = client.ProduceSync(r, &kgo.Record{Topic: topic, Value: []byte{byte(i)}, Timestamp: at}).FirstErr(); err != nil {
			return
		}
	}
	return
}

// offsets lists start, end, committed, timed and maximum-timestamp offsets.
func offsets(r *run) error {
	topic, start, err := r.filled("offsets", 10)
	if err != nil {
		return err
	}
	admin, done, err := r.admin()
	if err != nil {
		return err
	}
	defer done()
	var problems []error
	check := func(what string, list kadm.ListedOffsets, err error, first, second int64) {
		if err == nil {
			err = list.Error()
		}
		problems = append(problems, err)
		for partition, expected := range []int64{first, second} {
			found, _ := list.Lookup(topic, int32(partition))
			problems = append(problems, equal(expected, found.Offset, what))
		}
	}
	list, err := admin.ListStartOffsets(r, topic)
	check("start", list, err, 0, 0)
	list, err = admin.ListEndOffsets(r, topic)
	check("end", list, err, 10, 0)
	list, err = admin.ListCommittedOffsets(r, topic)
	check("last stable", list, err, 10, 0)
	list, err = admin.ListOffsetsAfterMilli(r, start.UnixMilli()+250, topic)
	check("after 250 ms", list, err, 3, 0)
	list, err = admin.ListMaxTimestampOffsets(r, topic)
	check("maximum timestamp", list, err, 9, -1)
	return errors.Join(problems...)
}

// topics creates, describes, grows, lists and deletes.
func topics(r *run) error {
	topic, err := r.topic("topics", 2)
	if err != nil {
		return err
	}
	admin, done, err := r.admin()
	if err != nil {
		return err
	}
	defer done()
	_, again := admin.CreateTopic(r, 1, 1, nil, topic)
	_, illegal := admin.CreateTopic(r, 1, 1, nil, "no spaces")
	_, many := admin.CreateTopic(r, 1, 5, nil, fresh("t"))
	if err := errors.Join(
		wants(kerr.TopicAlreadyExists, again, "creating twice"),
		wants(kerr.InvalidTopicException, illegal, "an illegal name"),
		wants(kerr.InvalidReplicationFactor, many, "more replicas than brokers"),
	); err != nil {
		return err
	}
	grown, err := admin.UpdatePartitions(r, 4, topic)
	if err == nil {
		err = grown.Error()
	}
	if err != nil {
		return err
	}
	err = r.soon(func() error {
		listed, err := admin.ListTopics(r, topic)
		if err != nil {
			return err
		}
		return equal(4, len(listed[topic].Partitions), "partitions")
	})
	if err != nil {
		return err
	}
	listed, err := admin.ListTopics(r)
	if err != nil {
		return err
	}
	for _, partition := range listed[topic].Partitions {
		if err := errors.Join(
			equal(int32(1), partition.Leader, "leader"),
			equal([]int32{1}, partition.Replicas, "replicas"),
			equal([]int32{1}, partition.ISR, "ISR"),
		); err != nil {
			return err
		}
	}
	metadata, err := admin.BrokerMetadata(r)
	if err != nil {
		return err
	}
	if err := errors.Join(
		equal(1, len(metadata.Brokers), "brokers"),
		equal(int32(1), metadata.Controller, "controller"),
		equal(22, len(metadata.Cluster), "length of the cluster id"),
	); err != nil {
		return err
	}
	if _, err := admin.DeleteTopic(r, topic); err != nil {
		return err
	}
	return r.soon(func() error {
		_, err := admin.DeleteTopic(r, topic)
		return wants(kerr.UnknownTopicOrPartition, err, "deleting twice")
	})
}

// configs alters a topic's config and sees it, with its source.
func configs(r *run) error {
	topic, err := r.topic("configs", 1)
	if err != nil {
		return err
	}
	admin, done, err := r.admin()
	if err != nil {
		return err
	}
	defer done()
	value := "5000"
	altered, err := admin.AlterTopicConfigs(r, []kadm.AlterConfig{{Name: "retention.ms", Value: &value}}, topic)
	if err != nil {
		return err
	}
	if err := altered[0].Err; err != nil {
		return err
	}
	err = r.soon(func() error {
		found, err := admin.DescribeTopicConfigs(r, topic)
		if err != nil {
			return err
		}
		for _, config := range found[0].Configs {
			if config.Key == "retention.ms" {
				return errors.Join(
					equal("5000", config.MaybeValue(), "retention.ms"),
					equal("DYNAMIC_TOPIC_CONFIG", config.Source.String(), "source"),
				)
			}
		}
		return errors.New("no retention.ms")
	})
	if err != nil {
		return err
	}
	wrong := "soon"
	refused, err := admin.AlterTopicConfigs(r, []kadm.AlterConfig{{Name: "retention.ms", Value: &wrong}}, topic)
	if err != nil {
		return err
	}
	return wants(kerr.InvalidConfig, refused[0].Err, "a bad value")
}

// records deletes records and asks for leader epochs, log dirs and producers.
func records(r *run) error {
	topic, _, err := r.filled("records", 10)
	if err != nil {
		return err
	}
	admin, done, err := r.admin()
	if err != nil {
		return err
	}
	defer done()
	var before kadm.Offsets
	before.AddOffset(topic, 0, 6, -1)
	deleted, err := admin.DeleteRecords(r, before)
	if err != nil {
		return err
	}
	answer, _ := deleted.Lookup(topic, 0)
	starts, err := admin.ListStartOffsets(r, topic)
	if err != nil {
		return err
	}
	start, _ := starts.Lookup(topic, 0)
	var set kadm.TopicsSet
	set.Add(topic, 0)
	request := kadm.OffsetForLeaderEpochRequest{}
	request.Add(topic, 0, 0)
	epochs, err := admin.OffsetForLeaderEpoch(r, request)
	if err != nil {
		return err
	}
	dirs, err := admin.DescribeAllLogDirs(r, set)
	if err != nil {
		return err
	}
	sized, _ := dirs[1].LookupPartition(topic, 0)
	producers, err := admin.DescribeProducers(r, set)
	if err != nil {
		return err
	}
	active := producers.SortedProducers()
	if err := equal(1, len(active), "active producers"); err != nil {
		return err
	}
	return errors.Join(
		answer.Err,
		equal(int64(6), answer.LowWatermark, "low watermark"),
		equal(int64(6), start.Offset, "start"),
		equal(int64(10), epochs[topic][0].EndOffset, "end of leader epoch 0"),
		equal(int32(0), epochs[topic][0].LeaderEpoch, "leader epoch"),
		equal(true, sized.Size > 0, "a size on disk"),
		equal(int32(9), active[0].LastSequence, "last sequence"),
	)
}

// groupAdmin commits, fetches, describes, computes lag for and deletes a group.
func groupAdmin(r *run) error {
	topic, _, err := r.filled("group-admin", 10)
	if err != nil {
		return err
	}
	admin, done, err := r.admin()
	if err != nil {
		return err
	}
	defer done()
	group := fresh("group")
	var commit kadm.Offsets
	commit.Add(kadm.Offset{Topic: topic, Partition: 0, At: 4, LeaderEpoch: 0, Metadata: "four"})
	if err := admin.CommitAllOffsets(r, group, commit); err != nil {
		return err
	}
	fetched, err := admin.FetchOffsets(r, group)
	if err != nil {
		return err
	}
	stored, _ := fetched.Lookup(topic, 0)
	lags, err := admin.Lag(r, group)
	if err != nil {
		return err
	}
	lag, _ := lags[group].Lag.Lookup(topic, 0)
	listed, err := admin.ListGroups(r)
	if err != nil {
		return err
	}
	if err := errors.Join(
		equal(int64(4), stored.At, "committed offset"),
		equal("four", stored.Metadata, "commit metadata"),
		equal(int64(6), lag.Lag, "lag"),
		equal("Empty", listed[group].State, "state"),
		equal("Empty", lags[group].State, "described state"),
	); err != nil {
		return err
	}
	var set kadm.TopicsSet
	set.Add(topic, 0)
	removed, err := admin.DeleteOffsets(r, group, set)
	if err != nil {
		return err
	}
	if err := removed.Error(); err != nil {
		return err
	}
	left, err := admin.FetchOffsets(r, group)
	if err != nil {
		return err
	}
	if err := equal(0, len(left[topic]), "commits after deleting one"); err != nil {
		return err
	}
	if _, err := admin.DeleteGroup(r, group); err != nil {
		return err
	}
	_, again := admin.DeleteGroup(r, group)
	return wants(kerr.GroupIDNotFound, again, "deleting twice")
}

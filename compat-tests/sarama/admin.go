package main

import (
	"errors"

	"github.com/IBM/sarama"
)

// offsets marks, commits, reads back and resets the offset of a partition without being a member.
func offsets(r *run) error {
	topic, err := r.topic("offsets", 1)
	if err != nil {
		return err
	}
	group := fresh("group")
	if err := r.manages(topic, group, func(manager sarama.OffsetManager, mine sarama.PartitionOffsetManager) error {
		next, _ := mine.NextOffset()
		mine.MarkOffset(5, "five")
		manager.Commit()
		return equal(sarama.OffsetOldest, next, "next offset without a commit")
	}); err != nil {
		return err
	}
	if err := r.manages(topic, group, func(manager sarama.OffsetManager, mine sarama.PartitionOffsetManager) error {
		next, metadata := mine.NextOffset()
		mine.ResetOffset(3, "three")
		manager.Commit()
		return errors.Join(equal(int64(5), next, "next offset"), equal("five", metadata, "metadata"))
	}); err != nil {
		return err
	}
	return r.manages(topic, group, func(_ sarama.OffsetManager, mine sarama.PartitionOffsetManager) error {
		next, metadata := mine.NextOffset()
		return errors.Join(equal(int64(3), next, "next offset after the reset"), equal("three", metadata, "metadata"))
	})
}

// manages opens an offset manager for partition 0; what it meets is an error.
func (r *run) manages(topic, group string, action func(sarama.OffsetManager, sarama.PartitionOffsetManager) error) error {
	client, err := sarama.NewClient(r.bootstrap, config(func(config *sarama.Config) {
		config.Consumer.Offsets.AutoCommit.Enable = false
		config.Consumer.Return.Errors = true
	}))
	if err != nil {
		return err
	}
	defer client.Close()
	manager, err := sarama.NewOffsetManagerFromClient(group, client)
	if err != nil {
		return err
	}
	mine, err := manager.ManagePartition(topic, 0)
	if err != nil {
		return err
	}
	problem := action(manager, mine)
	mine.AsyncClose() // the manager closes it: it only does so by itself when it commits by itself
	problem = errors.Join(problem, manager.Close())
	for err := range mine.Errors() {
		problem = errors.Join(problem, err)
	}
	return problem
}

// groupAdmin looks at a group with a member and without, and deletes its offsets and the group.
func groupAdmin(r *run) error {
	topic, err := r.topic("group-admin", 2)
	if err != nil {
		return err
	}
	admin, err := r.admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	group := fresh("group")
	busy, err := r.join(topic, group, named("instance"), func(config *sarama.Config) { config.ClientID = "client" })
	if err != nil {
		return err
	}
	if _, err := busy.settles(r, 2); err != nil {
		return err
	}
	if err := describedAtWork(admin, topic, group); err != nil {
		return err
	}
	if err := errors.Join(
		wants(sarama.ErrNonEmptyGroup, admin.DeleteConsumerGroup(group), "deleting a group with a member"),
		wants(sarama.ErrGroupSubscribedToTopic, admin.DeleteConsumerGroupOffset(group, topic, 0), "deleting offsets in use"),
		busy.leave(),
	); err != nil {
		return err
	}
	if _, err := admin.RemoveMemberFromConsumerGroup(group, []string{"instance"}); err != nil {
		return err
	}
	described, err := admin.DescribeConsumerGroups([]string{group})
	if err != nil {
		return err
	}
	if err := errors.Join(
		equal("Empty", described[0].State, "state without members"), equal(0, len(described[0].Members), "members"),
	); err != nil {
		return err
	}
	return offsetsAndGroupDeleted(admin, topic, group)
}

func describedAtWork(admin sarama.ClusterAdmin, topic, group string) error {
	listed, err := admin.ListConsumerGroups()
	if err != nil {
		return err
	}
	described, err := admin.DescribeConsumerGroups([]string{group})
	if err != nil {
		return err
	}
	found := described[0]
	if err := errors.Join(
		equal("consumer", listed[group], "listed protocol type"),
		equal("Stable", found.State, "state"),
		equal("consumer", found.ProtocolType, "protocol type"),
		equal("range", found.Protocol, "protocol"),
		equal(1, len(found.Members), "members"),
	); err != nil {
		return err
	}
	for _, each := range found.Members {
		subscribed, err := each.GetMemberMetadata()
		if err != nil {
			return err
		}
		given, err := each.GetMemberAssignment()
		if err != nil {
			return err
		}
		if err := errors.Join(
			equal("client", each.ClientId, "client id"),
			equal("/127.0.0.1", each.ClientHost, "host"),
			equal("instance", *each.GroupInstanceId, "instance id"),
			equal([]string{topic}, subscribed.Topics, "subscription"),
			equal(map[string][]int32{topic: {0, 1}}, given.Topics, "assignment"),
		); err != nil {
			return err
		}
	}
	return nil
}

func offsetsAndGroupDeleted(admin sarama.ClusterAdmin, topic, group string) error {
	both := map[string][]int32{topic: {0, 1}}
	altered, err := admin.AlterConsumerGroupOffsets(group, map[string]map[int32]sarama.OffsetAndMetadata{
		topic: {0: {Offset: 4, Metadata: "four", LeaderEpoch: -1}, 1: {Offset: 7, LeaderEpoch: -1}},
	}, nil)
	if err != nil {
		return err
	}
	listed, err := admin.ListConsumerGroupOffsets(group, both)
	if err != nil {
		return err
	}
	if err := errors.Join(
		equal(map[int32]sarama.KError{0: sarama.ErrNoError, 1: sarama.ErrNoError}, altered.Errors[topic], "commits"),
		equal(int64(4), listed.GetBlock(topic, 0).Offset, "offset"),
		equal("four", listed.GetBlock(topic, 0).Metadata, "metadata"),
		equal(int64(7), listed.GetBlock(topic, 1).Offset, "offset of the other"),
		admin.DeleteConsumerGroupOffset(group, topic, 0),
	); err != nil {
		return err
	}
	left, err := admin.ListConsumerGroupOffsets(group, both)
	if err != nil {
		return err
	}
	return errors.Join(
		equal(int64(-1), left.GetBlock(topic, 0).Offset, "deleted offset"),
		equal(int64(7), left.GetBlock(topic, 1).Offset, "the other offset"),
		admin.DeleteConsumerGroup(group),
		wants(sarama.ErrGroupIDNotFound, admin.DeleteConsumerGroup(group), "deleting twice"),
	)
}

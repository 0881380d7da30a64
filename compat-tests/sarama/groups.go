package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

const partitions = 6

// session is what a member was given in one generation.
type session struct {
	generation int32
	partitions []int32
}

// member keeps consuming, marks what it consumes and says what it owns.
type member struct {
	group    sarama.ConsumerGroup
	sessions chan session
	records  chan *sarama.ConsumerMessage
	problems chan error
	done     sync.WaitGroup
}

func (m *member) Setup(given sarama.ConsumerGroupSession) error {
	var owned []int32
	for _, claimed := range given.Claims() {
		owned = append(owned, claimed...)
	}
	slices.Sort(owned)
	m.sessions <- session{given.GenerationID(), owned}
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m *member) ConsumeClaim(given sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case record, more := <-claim.Messages():
			if !more {
				return nil
			}
			given.MarkMessage(record, "")
			m.records <- record
		case <-given.Context().Done():
			return nil
		}
	}
}

// join starts a member.
func (r *run) join(topic, group string, changes ...func(*sarama.Config)) (*member, error) {
	changes = append(changes, func(config *sarama.Config) {
		config.Consumer.Return.Errors = true
		config.Consumer.Group.Heartbeat.Interval = 200 * time.Millisecond
	})
	joined, err := sarama.NewConsumerGroup(r.bootstrap, group, config(changes...))
	if err != nil {
		return nil, err
	}
	// Room for all that is sent in a case: a member that waited for it would not give up its partitions.
	self := &member{
		group: joined, sessions: make(chan session, 100), records: make(chan *sarama.ConsumerMessage, 500_000),
		problems: make(chan error, 100),
	}
	self.done.Go(func() {
		for {
			err := joined.Consume(r, []string{topic}, self)
			if errors.Is(err, sarama.ErrClosedConsumerGroup) || r.Err() != nil {
				return
			}
			if err != nil {
				self.problems <- err
				return
			}
		}
	})
	self.done.Go(func() {
		for err := range joined.Errors() {
			self.problems <- err
		}
	})
	return self, nil
}

// leave ends a member after its last commit; the group keeps its place if it is static.
func (m *member) leave() error {
	err := m.group.Close()
	m.done.Wait()
	return err
}

// settles waits until the member owns `count` partitions.
func (m *member) settles(r *run, count int) (session, error) {
	for {
		select {
		case now := <-m.sessions:
			if len(now.partitions) == count {
				return now, nil
			}
		case err := <-m.problems:
			return session{}, err
		case <-r.Done():
			return session{}, fmt.Errorf("never owned %d partitions", count)
		}
	}
}

func assignedBy(strategy sarama.BalanceStrategy) func(*sarama.Config) {
	return func(config *sarama.Config) {
		config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategy}
	}
}

func rangeStrategy(r *run) error {
	return r.rebalances(sarama.NewBalanceStrategyRange, func(first, second []int32) error {
		together := [][]int32{first, second}
		slices.SortFunc(together, slices.Compare)
		return equal([][]int32{{0, 1, 2}, {3, 4, 5}}, together, "ranges")
	})
}

func stickyStrategy(r *run) error {
	return r.rebalances(sarama.NewBalanceStrategySticky, func(first, second []int32) error {
		together := slices.Concat(first, second)
		slices.Sort(together)
		return equal([]int32{0, 1, 2, 3, 4, 5}, together, "partitions of both")
	})
}

// rebalances lets a second member join and leave while records are sent; each record is consumed, and only once.
func (r *run) rebalances(strategy func() sarama.BalanceStrategy, divided func(first, second []int32) error) error {
	topic, err := r.topic("rebalance", partitions)
	if err != nil {
		return err
	}
	group := fresh("group")
	sending, sent := r.sends(topic)
	first, err := r.join(topic, group, assignedBy(strategy()))
	if err != nil {
		return err
	}
	if _, err := first.settles(r, partitions); err != nil {
		return err
	}
	second, err := r.join(topic, group, assignedBy(strategy()))
	if err != nil {
		return err
	}
	theirs, err := second.settles(r, partitions/2)
	if err != nil {
		return err
	}
	ours, err := first.settles(r, partitions/2)
	if err != nil {
		return err
	}
	if err := errors.Join(
		divided(ours.partitions, theirs.partitions), equal(ours.generation, theirs.generation, "generation"),
	); err != nil {
		return err
	}
	if err := r.busy(first, second); err != nil {
		return err
	}
	if err := second.leave(); err != nil {
		return err
	}
	if _, err := first.settles(r, partitions); err != nil {
		return err
	}
	sending()
	count := <-sent
	if count.err != nil {
		return count.err
	}
	seen := map[string]int{}
	second.drain(seen)
	for len(seen) < count.records {
		select {
		case record := <-first.records:
			seen[string(record.Value)]++
		case err := <-first.problems:
			return err
		case <-r.Done():
			return fmt.Errorf("%d of %d records were consumed", len(seen), count.records)
		}
	}
	if err := first.leave(); err != nil {
		return err
	}
	first.drain(seen)
	for value, times := range seen {
		if err := equal(1, times, "times that "+value+" was consumed"); err != nil {
			return err
		}
	}
	return nil
}

// drain counts the values that a member consumed before it left.
func (m *member) drain(seen map[string]int) {
	for len(m.records) > 0 {
		seen[string((<-m.records).Value)]++
	}
}

// busy waits until each member has consumed 100 records more.
func (r *run) busy(members ...*member) error {
	for _, each := range members {
		before := len(each.records)
		if err := r.soon(func() error { return equal(true, len(each.records) >= before+100, "100 records more") }); err != nil {
			return err
		}
	}
	return nil
}

type sending struct {
	records int
	err     error
}

// sends numbered records to all partitions in turn until told to stop, then says how many.
func (r *run) sends(topic string) (stop func(), sent chan sending) {
	ctx, stop := context.WithCancel(r)
	sent = make(chan sending, 1)
	go func() {
		producer, err := sarama.NewSyncProducer(r.bootstrap, config())
		if err != nil {
			sent <- sending{0, err}
			return
		}
		defer producer.Close()
		count := 0
		for ctx.Err() == nil && err == nil {
			_, _, err = producer.SendMessage(numbered(topic, count))
			count++
		}
		sent <- sending{count, err}
	}()
	return stop, sent
}

func numbered(topic string, number int) *sarama.ProducerMessage {
	return &sarama.ProducerMessage{
		Topic: topic, Partition: int32(number % partitions), Value: sarama.StringEncoder(strconv.Itoa(number)),
	}
}

// goesOn has one member after another read what is there; each starts where the one before it committed.
func goesOn(r *run) error {
	topic, err := r.topic("goes-on", 1)
	if err != nil {
		return err
	}
	producer, err := sarama.NewSyncProducer(r.bootstrap, config())
	if err != nil {
		return err
	}
	defer producer.Close()
	group := fresh("group")
	for _, from := range []int{0, 20, 40} {
		for i := from; i < from+20; i++ {
			if _, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: numbered(topic, i).Value}); err != nil {
				return err
			}
		}
		reader, err := r.join(topic, group)
		if err != nil {
			return err
		}
		for i := from; i < from+20; i++ {
			select {
			case record := <-reader.records:
				if err := equal(strconv.Itoa(i), string(record.Value), "value"); err != nil {
					return err
				}
			case <-r.Done():
				return fmt.Errorf("no record %d", i)
			}
		}
		if err := reader.leave(); err != nil {
			return err
		}
	}
	return nil
}

func named(instance string) func(*sarama.Config) {
	return func(config *sarama.Config) { config.Consumer.Group.InstanceId = instance }
}

// pair starts two static members and returns what each has in the generation of both.
func (r *run) pair(topic, group string) (first, second *member, ours, theirs session, err error) {
	if first, err = r.join(topic, group, named("one")); err != nil {
		return
	}
	if _, err = first.settles(r, partitions); err != nil {
		return
	}
	if second, err = r.join(topic, group, named("two")); err != nil {
		return
	}
	if theirs, err = second.settles(r, partitions/2); err != nil {
		return
	}
	ours, err = first.settles(r, partitions/2)
	return
}

// static restarts one of two static members: same generation, same partitions; removed by name, it is gone.
func static(r *run) error {
	topic, err := r.topic("static", partitions)
	if err != nil {
		return err
	}
	group := fresh("group")
	first, second, _, theirs, err := r.pair(topic, group)
	if err != nil {
		return err
	}
	if err := second.leave(); err != nil {
		return err
	}
	again, err := r.join(topic, group, named("two"))
	if err != nil {
		return err
	}
	now, err := again.settles(r, partitions/2)
	if err != nil {
		return err
	}
	if err := errors.Join(
		equal(theirs, now, "generation and partitions after the restart"),
		equal(0, len(first.sessions), "rebalances of the other"),
	); err != nil {
		return err
	}
	if err := again.leave(); err != nil {
		return err
	}
	admin, err := r.admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	removed, err := admin.RemoveMemberFromConsumerGroup(group, []string{"two"})
	if err != nil {
		return err
	}
	if err := errors.Join(
		wants(sarama.ErrNoError, removed.Err, "removal"),
		wants(sarama.ErrNoError, removed.Members[0].Err, "removal of the member"),
	); err != nil {
		return err
	}
	if _, err := first.settles(r, partitions); err != nil {
		return err
	}
	return first.leave()
}

// fenced starts a second member of a name that is taken: it gets the partitions, and the first is told.
func fenced(r *run) error {
	topic, err := r.topic("fenced", partitions)
	if err != nil {
		return err
	}
	group := fresh("group")
	_, second, _, theirs, err := r.pair(topic, group)
	if err != nil {
		return err
	}
	twin, err := r.join(topic, group, named("two"))
	if err != nil {
		return err
	}
	now, err := twin.settles(r, partitions/2)
	if err != nil {
		return err
	}
	if err := equal(theirs, now, "what the twin took over"); err != nil {
		return err
	}
	select {
	case err = <-second.problems:
		return wants(sarama.ErrFencedInstancedId, err, "the first of the name")
	case <-r.Done():
		return errors.New("the first of the name was never told")
	}
}

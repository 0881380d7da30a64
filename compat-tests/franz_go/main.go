// Command franz_go runs one case against a broker: franz_go BOOTSTRAP CASE exits with 0 when it holds.
// As franz_go BOOTSTRAP member WISH it is a member of a group until SIGTERM.
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"reflect"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const deadline = 60 * time.Second

var cases = map[string]func(*run) error{
	"codecs":      codecs,
	"idempotent":  idempotent,
	"acks":        acks,
	"groups":      groups,
	"cooperative": cooperative,
	"offsets":     offsets,
	"topics":      topics,
	"configs":     configs,
	"records":     records,
	"groupAdmin":  groupAdmin,
}

// run is what a case gets: where the broker is, and until when it may take.
type run struct {
	context.Context
	bootstrap string
}

func main() {
	if os.Args[2] == "member" {
		if err := bearWitness(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	action := cases[os.Args[2]]
	if action == nil {
		fmt.Fprintln(os.Stderr, "no case", os.Args[2])
		os.Exit(2)
	}
	if err := action(&run{ctx, os.Args[1]}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func fresh(base string) string {
	var random [4]byte
	_, _ = rand.Read(random[:])
	return base + "-" + hex.EncodeToString(random[:])
}

func (r *run) client(options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(r.bootstrap)}, options...)...)
}

func (r *run) admin() (*kadm.Client, func(), error) {
	client, err := r.client()
	if err != nil {
		return nil, nil, err
	}
	return kadm.NewClient(client), client.Close, nil
}

// topic makes a topic and waits until each of its leaders answers.
func (r *run) topic(base string, partitions int32) (string, error) {
	admin, done, err := r.admin()
	if err != nil {
		return "", err
	}
	defer done()
	name := fresh(base)
	if _, err := admin.CreateTopic(r, partitions, 1, nil, name); err != nil {
		return "", err
	}
	return name, r.soon(func() error {
		ends, err := admin.ListEndOffsets(r, name)
		if err == nil {
			err = ends.Error()
		}
		if err == nil {
			err = equal(int(partitions), len(ends[name]), "partitions that answer")
		}
		return err
	})
}

// soon repeats a question until it is answered without error or the time is over.
func (r *run) soon(question func() error) error {
	for {
		err := question()
		if err == nil {
			return nil
		}
		select {
		case <-r.Done():
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// receive polls until there are `count` records; more are an error.
func (r *run) receive(client *kgo.Client, count int) ([]*kgo.Record, error) {
	var all []*kgo.Record
	for len(all) < count {
		fetches := client.PollFetches(r)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("%d of %d records: %w", len(all), count, err)
		}
		all = append(all, fetches.Records()...)
	}
	return all, equal(count, len(all), "records")
}

func equal(expected, actual any, what string) error {
	if !reflect.DeepEqual(expected, actual) {
		return fmt.Errorf("%s: expected %v, got %v", what, expected, actual)
	}
	return nil
}

func wants(expected *kerr.Error, err error, what string) error {
	if !errors.Is(err, expected) {
		return fmt.Errorf("%s: expected %s, got %v", what, expected.Message, err)
	}
	return nil
}

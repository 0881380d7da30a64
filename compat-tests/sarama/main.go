// Command sarama runs one case against a broker: sarama BOOTSTRAP CASE exits with 0 when it holds.
// As sarama BOOTSTRAP member WISH it is a member of a group until SIGTERM.
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

	"github.com/IBM/sarama"
)

const deadline = 60 * time.Second

var cases = map[string]func(*run) error{
	"plain":      plain,
	"idempotent": idempotent,
	"range":      rangeStrategy,
	"sticky":     stickyStrategy,
	"goesOn":     goesOn,
	"static":     static,
	"fenced":     fenced,
	"offsets":    offsets,
	"groupAdmin": groupAdmin,
}

// run is what a case gets: where the broker is, and until when it may take.
type run struct {
	context.Context
	bootstrap []string
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
	if err := action(&run{ctx, []string{os.Args[1]}}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func fresh(base string) string {
	var random [4]byte
	_, _ = rand.Read(random[:])
	return base + "-" + hex.EncodeToString(random[:])
}

// config is for the newest protocol the client speaks; consumers start at the oldest record.
func config(changes ...func(*sarama.Config)) *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.MaxWaitTime = 50 * time.Millisecond // closing a consumer waits for its last fetch
	for _, change := range changes {
		change(config)
	}
	return config
}

func (r *run) admin() (sarama.ClusterAdmin, error) {
	return sarama.NewClusterAdmin(r.bootstrap, config())
}

// topic makes a topic and waits until each of its leaders answers.
func (r *run) topic(base string, partitions int32) (string, error) {
	admin, err := r.admin()
	if err != nil {
		return "", err
	}
	defer admin.Close()
	name := fresh(base)
	if err := admin.CreateTopic(name, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false); err != nil {
		return "", err
	}
	asked := map[int32]int64{}
	for partition := range partitions {
		asked[partition] = sarama.OffsetNewest
	}
	return name, r.soon(func() error {
		ends, err := admin.ListOffsets(map[string]map[int32]int64{name: asked}, nil)
		if err != nil {
			return err
		}
		for _, end := range ends[name] {
			if !errors.Is(end.Err, sarama.ErrNoError) {
				return end.Err
			}
		}
		return equal(int(partitions), len(ends[name]), "partitions that answer")
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

func equal(expected, actual any, what string) error {
	if !reflect.DeepEqual(expected, actual) {
		return fmt.Errorf("%s: expected %v, got %v", what, expected, actual)
	}
	return nil
}

func wants(expected, err error, what string) error {
	if !errors.Is(err, expected) {
		return fmt.Errorf("%s: expected %v, got %v", what, expected, err)
	}
	return nil
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/IBM/sarama"
)

var codecs = []sarama.CompressionCodec{
	sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy, sarama.CompressionLZ4, sarama.CompressionZSTD,
}

// plain sends with each codec and each acks, without idempotence.
func plain(r *run) error {
	for _, acks := range []sarama.RequiredAcks{sarama.NoResponse, sarama.WaitForLocal, sarama.WaitForAll} {
		err := r.everyCodec(func(config *sarama.Config) { config.Producer.RequiredAcks = acks }, acks != sarama.NoResponse)
		if err != nil {
			return fmt.Errorf("acks %d: %w", acks, err)
		}
	}
	return nil
}

// idempotent sends with each codec, numbered by the producer.
func idempotent(r *run) error {
	return r.everyCodec(func(config *sarama.Config) {
		config.Producer.Idempotent = true
		config.Producer.RequiredAcks = sarama.WaitForAll
		config.Net.MaxOpenRequests = 1
	}, true)
}

func (r *run) everyCodec(change func(*sarama.Config), acknowledged bool) error {
	for _, codec := range codecs {
		err := r.codec(config(change, func(config *sarama.Config) { config.Producer.Compression = codec }), acknowledged)
		if err != nil {
			return fmt.Errorf("%s: %w", codec, err)
		}
	}
	return nil
}

// codec sends 600 records in small batches to 2 partitions and compares everything about them.
func (r *run) codec(config *sarama.Config, acknowledged bool) error {
	topic, err := r.topic("codec", 2)
	if err != nil {
		return err
	}
	config.Producer.Flush.MaxMessages = 20
	producer, err := sarama.NewSyncProducer(r.bootstrap, config)
	if err != nil {
		return err
	}
	defer producer.Close()
	start := time.UnixMilli(time.Now().UnixMilli())
	sent := make([]*sarama.ProducerMessage, 600)
	for i := range sent {
		sent[i] = &sarama.ProducerMessage{
			Topic: topic, Partition: int32(i % 2), Timestamp: start.Add(time.Duration(i) * time.Millisecond),
			Key: sarama.StringEncoder("key-" + strconv.Itoa(i)), Value: sarama.ByteEncoder(bytes.Repeat([]byte{byte(i)}, i)),
			Headers: []sarama.RecordHeader{{Key: []byte("a"), Value: []byte("1")}, {Key: []byte("a"), Value: nil}},
		}
	}
	sent[7].Key, sent[8].Value = nil, nil
	if err := producer.SendMessages(sent); err != nil {
		return err
	}
	consumer, err := sarama.NewConsumer(r.bootstrap, config)
	if err != nil {
		return err
	}
	defer consumer.Close()
	for partition := range int32(2) {
		got, err := r.partition(consumer, topic, partition, len(sent)/2)
		if err != nil {
			return err
		}
		for i, record := range got {
			if err := same(sent[2*i+int(partition)], record, int64(i), acknowledged); err != nil {
				return fmt.Errorf("partition %d, record %d: %w", partition, i, err)
			}
		}
	}
	return nil
}

func same(sent *sarama.ProducerMessage, got *sarama.ConsumerMessage, offset int64, acknowledged bool) error {
	key, value := encoded(sent.Key), encoded(sent.Value)
	headers := make([]sarama.RecordHeader, len(got.Headers))
	for i, header := range got.Headers {
		headers[i] = *header
	}
	if acknowledged {
		if err := equal(offset, sent.Offset, "acknowledged offset"); err != nil {
			return err
		}
	}
	return errors.Join(
		equal(offset, got.Offset, "offset"),
		equal(key, got.Key, "key"),
		equal(value == nil, got.Value == nil, "null value"),
		equal(string(value), string(got.Value), "value"),
		equal(sent.Timestamp.UnixMilli(), got.Timestamp.UnixMilli(), "timestamp"),
		equal(sent.Headers, headers, "headers"),
	)
}

func encoded(part sarama.Encoder) []byte {
	if part == nil {
		return nil
	}
	bytes, _ := part.Encode()
	return bytes
}

// partition reads the first `count` records of a partition.
func (r *run) partition(consumer sarama.Consumer, topic string, partition int32, count int) ([]*sarama.ConsumerMessage, error) {
	reader, err := consumer.ConsumePartition(topic, partition, sarama.OffsetOldest)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	var all []*sarama.ConsumerMessage
	for len(all) < count {
		select {
		case record := <-reader.Messages():
			all = append(all, record)
		case <-r.Done():
			return nil, fmt.Errorf("%d of %d records", len(all), count)
		}
	}
	return all, nil
}

// Package history writes the history of a group's member as checker/history.py reads it.
package history

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"unsafe"
)

// Wish is what a member is to do; checker/families.py has its fields.
type Wish struct {
	History     string
	Process     int64
	Bootstrap   string
	Topic       string
	Group       string
	Protocol    string
	SessionMs   int `json:"session_ms"`
	HeartbeatMs int `json:"heartbeat_ms"`
}

// ReadWish reads it from the command line's last argument.
func ReadWish() (wish Wish, err error) {
	err = json.Unmarshal([]byte(os.Args[len(os.Args)-1]), &wish)
	return
}

// Recorder writes the history of one member; it may be used by several goroutines.
type Recorder struct {
	wish Wish
	lock sync.Mutex
	out  *os.File
	said string
}

// Open begins a member's history.
func Open(wish Wish) (*Recorder, error) {
	out, err := os.OpenFile(wish.History, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	recorder := &Recorder{wish: wish, out: out}
	recorder.write("info", "joins", nil)
	return recorder, nil
}

// monotonic is the clock that Python calls time.monotonic.
func monotonic() float64 {
	var now syscall.Timespec
	const clockMonotonic = 1
	_, _, _ = syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&now)), 0)
	return float64(now.Sec) + float64(now.Nsec)/1e9
}

func (r *Recorder) write(kind, f string, more map[string]any) {
	line := map[string]any{"type": kind, "f": f, "process": r.wish.Process, "group": r.wish.Group, "time": monotonic()}
	for name, value := range more {
		line[name] = value
	}
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	if _, err := r.out.Write(append(text, '\n')); err != nil {
		panic(err)
	}
}

func (r *Recorder) key(partition int32) string {
	return fmt.Sprintf("%s-%d", r.wish.Topic, partition)
}

func (r *Recorder) keys(partitions []int32) []string {
	sorted := slices.Sorted(slices.Values(partitions))
	keys := make([]string, 0, len(sorted))
	for _, partition := range sorted {
		keys = append(keys, r.key(partition))
	}
	return keys
}

// Assigned says that the member begins anew with these partitions.
func (r *Recorder) Assigned(partitions []int32) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.write("ok", "assign", map[string]any{"keys": r.keys(partitions)})
}

// Owns says what the member owns in a generation, if it has not said so last.
func (r *Recorder) Owns(generation int32, partitions []int32) {
	r.lock.Lock()
	defer r.lock.Unlock()
	keys := r.keys(partitions)
	said := fmt.Sprint(generation, keys)
	if generation <= 0 || said == r.said {
		return
	}
	r.said = said
	r.write("ok", "owns", map[string]any{"generation": generation, "keys": keys})
}

// Record is where a record was and what it was.
type Record struct {
	Partition int32
	Offset    int64
	Value     []byte
}

// Read says which records were read, in order.
func (r *Recorder) Read(records ...Record) {
	read := map[string][][2]int64{}
	for _, record := range records {
		key := r.key(record.Partition)
		read[key] = append(read[key], [2]int64{record.Offset, valueOf(record.Value)})
	}
	r.lock.Lock()
	defer r.lock.Unlock()
	r.write("ok", "poll", map[string]any{"read": read})
}

// valueOf is `process << 40 | number` of a value `process.number padding`.
func valueOf(text []byte) int64 {
	var process, number int64
	text, _, _ = bytes.Cut(text, []byte(" "))
	if _, err := fmt.Sscanf(string(text), "%d.%d", &process, &number); err != nil {
		panic(err)
	}
	return process<<40 | number
}

// Begins says that `f` has begun, commit or fetch_committed: one of each at a time.
func (r *Recorder) Begins(f string) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.write("invoke", f, nil)
}

// Done says how it ended: with the offsets by partition, or with an error after which nobody knows.
func (r *Recorder) Done(f string, offsets map[int32]int64, err error) {
	r.lock.Lock()
	defer r.lock.Unlock()
	if err != nil {
		r.write("info", f, map[string]any{"error": err.Error()})
		return
	}
	named := map[string]int64{}
	for partition, offset := range offsets {
		named[r.key(partition)] = offset
	}
	r.write("ok", f, map[string]any{"offsets": named})
}

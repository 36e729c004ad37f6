// Maps of Go's standard library that are read while they change, measured as maps.rs beside this file
// measures those of Rust: nanoseconds per operation of each thread, as lines of Markdown tables.
//
//	go run host/crates/registry/benches/maps.go
package main

import (
	"fmt"
	"math/rand"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const window = 300 * time.Millisecond

type table interface {
	read(name string) uint64
	write(name string, value uint64)
}

type locked struct {
	lock sync.RWMutex
	data map[string]*uint64
}

func (m *locked) read(name string) uint64 {
	m.lock.RLock()
	value := m.data[name]
	m.lock.RUnlock()
	return *value
}

func (m *locked) write(name string, value uint64) {
	m.lock.Lock()
	m.data[name] = &value
	m.lock.Unlock()
}

type standard struct{ data sync.Map }

func (m *standard) read(name string) uint64 {
	value, _ := m.data.Load(name)
	return *value.(*uint64)
}

func (m *standard) write(name string, value uint64) { m.data.Store(name, &value) }

type swapped struct {
	lock sync.Mutex
	data atomic.Pointer[map[string]*uint64]
}

func (m *swapped) read(name string) uint64 { return *(*m.data.Load())[name] }

func (m *swapped) write(name string, value uint64) {
	m.lock.Lock()
	defer m.lock.Unlock()
	old := *m.data.Load()
	next := make(map[string]*uint64, len(old))
	for name, value := range old {
		next[name] = value
	}
	next[name] = &value
	m.data.Store(&next)
}

func tables(names []string) []table {
	one, two, three := &locked{data: map[string]*uint64{}}, &standard{}, &swapped{}
	empty := map[string]*uint64{}
	for _, name := range names {
		one.data[name] = new(uint64)
		two.data.Store(name, new(uint64))
		empty[name] = new(uint64)
	}
	three.data.Store(&empty)
	return []table{one, two, three}
}

func work(m table, names []string, reads int, seed int64) float64 {
	random := rand.New(rand.NewSource(seed))
	began := time.Now()
	operations, sum := 0, uint64(0)
	for time.Since(began) < window {
		for i := 0; i < 64; i++ {
			name := names[random.Intn(len(names))]
			if random.Intn(100) < reads {
				sum += m.read(name)
			} else {
				m.write(name, uint64(operations))
			}
			operations++
		}
	}
	runtime.KeepAlive(sum)
	return float64(time.Since(began).Nanoseconds()) / float64(operations)
}

func measure(m table, names []string, reads, threads int) float64 {
	times := make(chan float64, threads)
	for i := 0; i < threads; i++ {
		seed := int64(i)
		go func() { times <- work(m, names, reads, seed) }()
	}
	sum := 0.0
	for i := 0; i < threads; i++ {
		sum += <-times
	}
	return sum / float64(threads)
}

func main() {
	labels := []string{"Go `RWMutex` + map", "Go `sync.Map`", "Go `atomic.Pointer` + map, copied"}
	sizes := []int{10, 100, 1_000, 10_000, 100_000}
	for _, reads := range []int{100, 99, 50} {
		for _, threads := range []int{1, 2} {
			fmt.Printf("\n%d reads in 100, threads: %d\n\n", reads, threads)
			rows := make([][]string, len(labels))
			for _, size := range sizes {
				names := make([]string, size)
				for i := range names {
					names[i] = fmt.Sprintf("codec-%d", i)
				}
				for i, m := range tables(names) {
					rows[i] = append(rows[i], fmt.Sprintf("%.1f", measure(m, names, reads, threads)))
				}
			}
			for i, label := range labels {
				fmt.Printf("| %s | %s |\n", label, strings.Join(rows[i], " | "))
			}
		}
	}
}

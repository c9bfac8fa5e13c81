package check

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// server is the test's own Redis, on loopback.
type server struct {
	folder  string
	port    int
	process *exec.Cmd
}

func newServer(t *testing.T) *server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	s := &server{folder: t.TempDir(), port: listener.Addr().(*net.TCPAddr).Port}
	check(t, listener.Close())
	s.start(t)
	return s
}

func (s *server) start(t *testing.T) {
	t.Helper()
	s.process = exec.Command("redis-server", "--port", strconv.Itoa(s.port), "--bind", "127.0.0.1",
		"--dir", s.folder, "--save", "", "--appendonly", "yes", "--appendfsync", "always")
	check(t, s.process.Start())
	t.Cleanup(func() { _ = s.process.Process.Kill() })
	for range 1000 {
		if connection, err := net.Dial("tcp", s.address()); err == nil {
			_, _ = fmt.Fprint(connection, "PING\r\n")
			answer, _ := bufio.NewReader(connection).ReadString('\n')
			_ = connection.Close()
			if answer == "+PONG\r\n" {
				return
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("redis-server does not answer")
}

func (s *server) kill(t *testing.T) {
	t.Helper()
	check(t, s.process.Process.Kill())
	_ = s.process.Wait()
}

func (s *server) address() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

func (s *server) env() map[string]string {
	return map[string]string{"REDIS": "redis://" + s.address()}
}

// ask sends one command and returns the bulk strings of the reply; a status has none.
func (s *server) ask(t *testing.T, arguments ...string) []string {
	t.Helper()
	connection, err := net.Dial("tcp", s.address())
	check(t, err)
	defer connection.Close()
	request := fmt.Sprintf("*%d\r\n", len(arguments))
	for _, argument := range arguments {
		request += fmt.Sprintf("$%d\r\n%s\r\n", len(argument), argument)
	}
	_, err = io.WriteString(connection, request)
	check(t, err)
	reader := bufio.NewReader(connection)
	answers := []string{}
	for left := 1; left > 0; left-- {
		line, err := reader.ReadString('\n')
		check(t, err)
		count, _ := strconv.Atoi(strings.TrimSpace(line[1:]))
		switch line[0] {
		case '*':
			left += count
		case '$':
			if count < 0 {
				continue
			}
			text := make([]byte, count+2)
			_, err = io.ReadFull(reader, text)
			check(t, err)
			answers = append(answers, string(text[:count]))
		case '-':
			t.Fatalf("redis: %s", line)
		}
	}
	return answers
}

// values are the values of all keys.
func (s *server) values(t *testing.T) [][]byte {
	t.Helper()
	var values [][]byte
	for _, value := range s.ask(t, append([]string{"MGET"}, s.ask(t, "KEYS", "*")...)...) {
		values = append(values, []byte(value))
	}
	return values
}

func TestRedisAlertsOnceForEachEpisode(t *testing.T) {
	m := generate(50_000, twice)
	p := pipeline{name: "redis", folder: t.TempDir(), rule: rule(t), threads: 4, batch: 100}
	redis := newServer(t)
	p.env = redis.env()
	p.write(t, m.events)
	p.run(t)
	var got alerts
	got.read(t, p.lines(t, "alerts.ndjson"))
	m.expect(t, got)
	m.expectState(t, redis.values(t))
	if got.lines != len(got.byID) {
		t.Fatalf("%d lines for %d alerts, and nothing was rejected", got.lines, len(got.byID))
	}
}

// Redis is killed in the middle and restarted when the pipeline has reported it.
func TestRedisIsCutOff(t *testing.T) {
	m := generate(20_000, twice)
	for _, batch := range []int{1, 50} {
		t.Run(fmt.Sprintf("batches of %d", batch), func(t *testing.T) {
			redis := newServer(t)
			p := pipeline{name: "redis", folder: t.TempDir(), rule: rule(t)}
			p.threads, p.batch, p.env = 4, batch, redis.env()
			p.write(t, m.events)
			p.start(t, "connection refused")
			waitForLines(t, &p, "alerts.ndjson", 500)
			redis.kill(t)
			<-p.log.found
			before := len(p.lines(t, "alerts.ndjson"))
			redis.start(t)
			p.finish(t)
			var got alerts
			got.read(t, p.lines(t, "alerts.ndjson"))
			m.expect(t, got)
			m.expectState(t, redis.values(t))
			if before >= len(got.byID) {
				t.Fatal("redis was gone only after the end")
			}
			if errors := p.lines(t, "errors.ndjson"); errors != nil {
				t.Fatalf("errors: %s", errors[0])
			}
		})
	}
}

// Two pipelines share the state; each event goes to one of them in turn.
func TestRedisIsShared(t *testing.T) {
	m := generate(20_000, once)
	redis := newServer(t)
	var both [2]*pipeline
	for n := range both {
		p := &pipeline{name: "redis", folder: t.TempDir(), rule: rule(t), threads: 2}
		p.env = redis.env()
		var mine []string
		for place, event := range m.events {
			if place%2 == n {
				mine = append(mine, event)
			}
		}
		p.write(t, mine)
		p.start(t, "")
		both[n] = p
	}
	var got alerts
	for _, p := range both {
		p.finish(t)
		got.read(t, p.lines(t, "alerts.ndjson"))
	}
	m.expect(t, got)
	m.expectState(t, redis.values(t))
	if got.lines != users {
		t.Fatalf("%d lines for %d users", got.lines, users)
	}
}

// waitForLines returns when a file has this many lines.
func waitForLines(t *testing.T, p *pipeline, name string, count int) {
	t.Helper()
	for range 60_000 {
		text, _ := os.ReadFile(p.path(name))
		if strings.Count(string(text), "\n") >= count {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%s never had %d lines\n%s", name, count, p.log)
}

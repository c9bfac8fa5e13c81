package check

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMemoryAlertsOnceForEachEpisode(t *testing.T) {
	inOrder, anyOrder := generate(50_000, sliding), generate(50_000, twice)
	for _, way := range []struct{ threads, batch int }{{1, 1}, {1, 100}, {2, 1}, {4, 1}, {4, 100}} {
		t.Run(fmt.Sprintf("%d threads, batches of %d", way.threads, way.batch), func(t *testing.T) {
			m := anyOrder
			if way.threads == 1 {
				m = inOrder
			}
			p := pipeline{name: "memory", folder: t.TempDir(), rule: rule(t)}
			p.threads, p.batch = way.threads, way.batch
			p.write(t, m.events)
			p.run(t)
			var got alerts
			got.read(t, p.lines(t, "alerts.ndjson"))
			m.expect(t, got)
			if got.lines != len(got.byID) {
				t.Fatalf("%d lines for %d alerts, and nothing was rejected", got.lines, len(got.byID))
			}
			if errors := p.lines(t, "errors.ndjson"); errors != nil {
				t.Fatalf("errors: %s", errors[0])
			}
		})
	}
}

// The same events again give only alerts that were written before, with the same bytes.
func TestMemoryOnReplay(t *testing.T) {
	m := generate(10_000, twice)
	p := pipeline{name: "memory", folder: t.TempDir(), rule: rule(t), threads: 4}
	p.write(t, append(append([]string{}, m.events...), m.events...))
	p.run(t)
	var got alerts
	got.read(t, p.lines(t, "alerts.ndjson"))
	m.expect(t, got)
	// The state holds the alerts of a term's two newest episodes.
	if got.lines < len(got.byID)+users {
		t.Fatalf("%d lines for %d alerts: no repeats", got.lines, len(got.byID))
	}
}

// The process is killed in the middle and restarted from the beginning, and then restarted with state
// files that an interrupted write left empty.
func TestFileIsKilledAndStartedAgain(t *testing.T) {
	m := generate(20_000, twice)
	state := t.TempDir()
	start := func(word string) *pipeline {
		p := &pipeline{name: "file", folder: t.TempDir(), rule: rule(t), threads: 4}
		p.env = map[string]string{"STATE": state}
		p.write(t, m.events)
		p.start(t, word)
		return p
	}
	var got alerts

	first := start("")
	waitForLines(t, first, "alerts.ndjson", 500)
	check(t, first.process.Process.Kill())
	_ = first.process.Wait()
	text, err := os.ReadFile(first.path("alerts.ndjson"))
	check(t, err)
	// The last line may be incomplete, because it was not acknowledged.
	whole := string(text[:strings.LastIndexByte(string(text), '\n')])
	got.read(t, strings.Split(whole, "\n"))
	t.Logf("killed after %d alerts", got.lines)

	second := start("")
	second.finish(t)
	got.read(t, second.lines(t, "alerts.ndjson"))
	m.expect(t, got)
	m.expectState(t, states(t, state))

	emptied := 0
	files, err := os.ReadDir(state)
	check(t, err)
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".copy") {
			check(t, os.Truncate(filepath.Join(state, file.Name()), 0))
			emptied++
		}
	}
	if emptied != users {
		t.Fatalf("%d state files for %d users", emptied, users)
	}
	third := start("")
	third.finish(t)
	got.read(t, third.lines(t, "alerts.ndjson"))
	m.expect(t, got)
	for _, p := range []*pipeline{second, third} {
		if errors := p.lines(t, "errors.ndjson"); errors != nil {
			t.Fatalf("errors: %s", errors[0])
		}
	}
}

func TestFileAlertsOnceForEachEpisode(t *testing.T) {
	m := generate(50_000, twice)
	p := pipeline{name: "file", folder: t.TempDir(), rule: rule(t)}
	p.threads, p.batch = 4, 100
	p.env = map[string]string{"STATE": t.TempDir()}
	p.write(t, m.events)
	p.run(t)
	var got alerts
	got.read(t, p.lines(t, "alerts.ndjson"))
	m.expect(t, got)
	m.expectState(t, states(t, p.env["STATE"]))
}

// states are the values in a folder, without copies.
func states(t *testing.T, folder string) [][]byte {
	t.Helper()
	files, err := os.ReadDir(folder)
	check(t, err)
	var values [][]byte
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".copy") {
			value, err := os.ReadFile(filepath.Join(folder, file.Name()))
			check(t, err)
			values = append(values, value)
		}
	}
	return values
}

// A missing folder is an unavailable store: events are retried until the folder exists.
func TestFileWaitsForItsFolder(t *testing.T) {
	m := generate(4_000, once)
	state := filepath.Join(t.TempDir(), "state")
	p := pipeline{name: "file", folder: t.TempDir(), rule: rule(t), threads: 2}
	p.env = map[string]string{"STATE": state}
	p.write(t, m.events)
	p.start(t, "no such file or directory")
	<-p.log.found
	check(t, os.Mkdir(state, 0o700))
	p.finish(t)
	var got alerts
	got.read(t, p.lines(t, "alerts.ndjson"))
	m.expect(t, got)
}

// An event that cannot be evaluated is forwarded with the reason; the others are evaluated.
func TestWhatCannotBeJudgedGoesOn(t *testing.T) {
	m := generate(2_000, once)
	p := pipeline{name: "memory", folder: t.TempDir(), rule: rule(t), threads: 2, batch: 10}
	noTime := `{"event":{"dataset":"aws.cloudtrail","provider":"cloudformation.amazonaws.com",` +
		`"action":"CreateStack","outcome":"success"},"cloud":{"account":{"id":"1"}},"user":{"name":"x"}}`
	future := strings.Replace(m.events[0], "2025-", "9025-", 1)
	bad := []string{"no JSON", "{}}", noTime, future, "[" + strings.Repeat("[", 200)}
	silent := []string{"{}", `{"event":{"action":"Other"}}`}
	events := append(append(append([]string{}, bad...), silent...), m.events...)
	p.write(t, events)
	p.run(t)
	var got alerts
	got.read(t, p.lines(t, "alerts.ndjson"))
	m.expect(t, got)
	errors := p.lines(t, "errors.ndjson")
	for _, want := range []struct{ code, event string }{
		{"bad_json", "no JSON"}, {"bad_json", "{}}"}, {"no_time", "cloudformation"},
		{"future_event", "9025-"}, {"", "[["},
	} {
		found := 0
		for _, line := range errors {
			if strings.Contains(line, `"code":"`+want.code) && strings.Contains(line, want.event) {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%v: %d errors say so", want, found)
		}
	}
	if len(errors) != len(bad) {
		t.Fatalf("%d errors for %d events:\n%s", len(errors), len(bad), strings.Join(errors, "\n"))
	}
}

// An event over the guest's limit is reported and stops neither the pipeline nor other events.
func TestTooLargeForTheGuest(t *testing.T) {
	m := generate(2_000, once)
	p := pipeline{name: "memory", folder: t.TempDir(), rule: rule(t), threads: 1, batch: 3}
	p.change = func(config map[string]any) {
		input := config["input"].(map[string]any)["broker"].(map[string]any)["inputs"].([]any)[0]
		file := input.(map[string]any)["file"].(map[string]any)
		file["scanner"].(map[string]any)["lines"].(map[string]any)["max_buffer_size"] = 100 << 20
	}
	large := strings.Replace(m.events[0], `"e-0"`, `"`+strings.Repeat("x", 65<<20)+`"`, 1)
	p.write(t, append([]string{large}, m.events...))
	p.run(t)
	var got alerts
	got.read(t, p.lines(t, "alerts.ndjson"))
	m.expect(t, got)
	errors := p.lines(t, "errors.ndjson")
	if len(errors) != 1 || !strings.Contains(errors[0], `"code":"guest"`) || len(errors[0]) < len(large) {
		t.Fatalf("%d errors", len(errors))
	}
}

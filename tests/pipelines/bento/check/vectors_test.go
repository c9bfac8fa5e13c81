package check

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// vector is a test vector of tests/vectors.
type vector struct {
	Name     string            `json:"name"`
	Rule     rules             `json:"rule"`
	Time     string            `json:"event_time"`
	Settings json.RawMessage   `json:"settings"`
	Before   map[string]string `json:"before"`
	Steps    []step            `json:"steps"`
	After    map[string]string `json:"after"`
}

// rules are paths: a string or a list of strings.
type rules []string

func (r *rules) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		*r = rules{""}
		return json.Unmarshal(text, &(*r)[0])
	}
	return json.Unmarshal(text, (*[]string)(r))
}

type step struct {
	Event    string   `json:"event"`
	EventHex string   `json:"event_hex"`
	NowMs    int64    `json:"now_ms"`
	Alerts   []string `json:"alerts"`
	Repeats  []string `json:"repeats"`
	Error    *string  `json:"error"`
}

func (s step) hex() string {
	if s.EventHex != "" {
		return s.EventHex
	}
	return hex.EncodeToString([]byte(s.Event))
}

func vectors(t *testing.T) []vector {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root(t), "tests/vectors/*.json"))
	check(t, err)
	var all []vector
	for _, file := range files {
		text, err := os.ReadFile(file)
		check(t, err)
		var v vector
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, v)
	}
	if len(all) == 0 {
		t.Fatal("tests/vectors holds none")
	}
	return all
}

// With the pipeline's own state: only vectors with an empty state at first.
func TestVectorsInMemory(t *testing.T) {
	for _, v := range vectors(t) {
		if len(v.Before) == 0 {
			t.Run(v.Name, func(t *testing.T) {
				v.run(t, &pipeline{name: "memory", rule: module(t, v.Rule, v.Time, string(v.Settings))})
			})
		}
	}
}

// With Redis the test can write and read the state.
func TestVectorsInRedis(t *testing.T) {
	redis := newServer(t)
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			redis.ask(t, "FLUSHALL")
			for key, value := range v.Before {
				bytes, err := hex.DecodeString(value)
				check(t, err)
				redis.ask(t, "SET", key, string(bytes))
			}
			p := &pipeline{name: "redis", rule: module(t, v.Rule, v.Time, string(v.Settings)), env: redis.env()}
			v.run(t, p)
			after := map[string]string{}
			for _, key := range redis.ask(t, "KEYS", "*") {
				after[key] = hex.EncodeToString([]byte(redis.ask(t, "GET", key)[0]))
			}
			if len(after) != len(v.After) {
				t.Fatalf("the state has %d keys, not %d", len(after), len(v.After))
			}
			for key, value := range v.After {
				if after[key] != value {
					t.Fatalf("%s: the state is\n%s, not\n%s", key, after[key], value)
				}
			}
		})
	}
}

// run submits the steps one by one and compares the results.
func (v vector) run(t *testing.T, p *pipeline) {
	t.Helper()
	p.folder, p.threads = t.TempDir(), 1
	var events []string
	for number, s := range v.Steps {
		line, err := json.Marshal(map[string]any{"step": number, "hex": s.hex(), "now_ms": s.NowMs})
		check(t, err)
		events = append(events, string(line))
	}
	p.write(t, events)
	p.change = replayed
	p.run(t)

	type message struct {
		Step    int    `json:"step"`
		Outcome string `json:"outcome"`
		Text    string `json:"text"`
		Error   string `json:"error"`
	}
	got := make([]step, len(v.Steps))
	for _, line := range p.lines(t, "alerts.ndjson") {
		var s message
		check(t, json.Unmarshal([]byte(line), &s))
		switch at := &got[s.Step]; s.Outcome {
		case "alert":
			at.Alerts = append(at.Alerts, s.Text)
		case "repeat":
			at.Repeats = append(at.Repeats, s.Text)
		case "error":
			var fault struct{ Code string }
			check(t, json.Unmarshal([]byte(s.Error), &fault))
			if at.Error == nil {
				at.Error = &fault.Code
			}
		default:
			t.Fatalf("step %d: %s", s.Step, line)
		}
	}
	for number, want := range v.Steps {
		at := got[number]
		if !slices.Equal(at.Alerts, want.Alerts) {
			t.Fatalf("step %d: the alerts are\n%s, not\n%s", number, at.Alerts, want.Alerts)
		}
		if !slices.Equal(at.Repeats, want.Repeats) {
			t.Fatalf("step %d: the repeats are\n%s, not\n%s", number, at.Repeats, want.Repeats)
		}
		if text(at.Error) != text(want.Error) {
			t.Fatalf("step %d: the error is %q, not %q", number, text(at.Error), text(want.Error))
		}
	}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// replayed changes a configuration so that it reads steps, uses their clock, and labels each message.
// The processors in between do not change.
func replayed(config map[string]any) {
	steps := config["pipeline"].(map[string]any)
	processors := steps["processors"].([]any)
	clock := processors[0].(map[string]any)
	const now = "timestamp_unix_milli()"
	if !strings.Contains(clock["mapping"].(string), now) {
		panic("the first processor does not set the clock")
	}
	clock["mapping"] = strings.Replace(clock["mapping"].(string), now, "@step_now_ms", 1)
	before := map[string]any{"mapping": `meta step = this.step
meta step_now_ms = this.now_ms
root = this.hex.decode("hex")`}
	after := map[string]any{"mapping": `root = if errored() { content() } else {
  {"step": @step, "outcome": @firstseen_outcome, "error": @firstseen_error, "text": content().string()}
}`}
	steps["processors"] = append(append([]any{before}, processors...), after)
	config["output"] = map[string]any{"reject_errored": map[string]any{"file": map[string]any{
		"path": "${ALERTS}", "codec": "lines",
	}}}
}

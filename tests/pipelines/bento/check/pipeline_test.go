// Package check runs the configurations of docs/pipelines/redpanda-connect in a real pipeline.
//
// In: the pipeline's program (PIPELINE), the firstseen program (FIRSTSEEN), the target to build for
// (TARGET). Out: whether the alerts equal a model's. The tests change only the batches of a
// configuration's input and, for the vectors, the clock; never the processors.
package check

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gopkg.in/yaml.v3"
)

var flagship = rules{"plugin/rules/first_time_cloudformation_stack_creation.toml"}

// setting reads an environment variable that the tests need.
func setting(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set: .ci/bento shows how to run the tests", name)
	}
	return value
}

// root is the project's folder.
func root(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../../..")
	check(t, err)
	return path
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var (
	built     = map[string][]byte{}
	builtLock sync.Mutex
)

// rule builds the flagship rule for the pipeline and returns the module's path.
func rule(t *testing.T) string {
	t.Helper()
	return module(t, flagship, "", "")
}

// module builds rules, each set of rules only once.
func module(t *testing.T, sources rules, eventTime, settings string) string {
	t.Helper()
	builtLock.Lock()
	defer builtLock.Unlock()
	folder := t.TempDir()
	path := filepath.Join(folder, "rule.wasm")
	name := fmt.Sprintf("%q %q %q", sources, eventTime, settings)
	if built[name] == nil {
		arguments := []string{"build", "--target", setting(t, "TARGET"), "-o", path}
		for _, source := range sources {
			arguments = append(arguments, filepath.Join(root(t), source))
		}
		if len(sources) > 1 {
			arguments = append(arguments, "--pack")
		}
		if eventTime != "" {
			arguments = append(arguments, "--event-time", eventTime)
		}
		if settings != "" {
			file := filepath.Join(folder, "settings.json")
			check(t, os.WriteFile(file, []byte(settings), 0o600))
			arguments = append(arguments, "--settings", file)
		}
		out, err := exec.Command(setting(t, "FIRSTSEEN"), arguments...).CombinedOutput()
		if err != nil {
			t.Fatalf("firstseen %s: %v\n%s", strings.Join(arguments, " "), err, out)
		}
		built[name], err = os.ReadFile(path)
		check(t, err)
	}
	check(t, os.WriteFile(path, built[name], 0o600))
	return path
}

// pipeline is one run of a configuration.
type pipeline struct {
	name    string            // the configuration: memory, file, redis
	folder  string            // for input and output
	rule    string            // path of the module
	threads int               //
	batch   int               // events in a batch; 1: no batches
	env     map[string]string // other variables of the configuration
	change  func(config map[string]any)

	process *exec.Cmd
	log     *logged
}

// logged keeps the output of a process and signals when it contains a word.
type logged struct {
	lock  sync.Mutex
	text  bytes.Buffer
	word  string
	found chan struct{}
}

func (l *logged) Write(text []byte) (int, error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.text.Write(text)
	if l.word != "" && bytes.Contains(l.text.Bytes(), []byte(l.word)) {
		close(l.found)
		l.word = ""
	}
	return len(text), nil
}

func (l *logged) String() string {
	l.lock.Lock()
	defer l.lock.Unlock()
	text := l.text.String()
	return text[max(0, len(text)-4000):]
}

func (p *pipeline) path(name string) string {
	return filepath.Join(p.folder, name)
}

// start starts the process. It signals when the log contains word, unless word is empty.
func (p *pipeline) start(t *testing.T, word string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), "docs/pipelines/redpanda-connect", p.name+".yaml"))
	check(t, err)
	var config map[string]any
	check(t, yaml.Unmarshal(text, &config))
	if p.batch > 1 {
		config["input"] = map[string]any{"broker": map[string]any{
			"inputs":   []any{config["input"]},
			"batching": map[string]any{"count": p.batch, "period": "1s"},
		}}
	}
	if p.change != nil {
		p.change(config)
	}
	// Several run in parallel, and nothing uses their HTTP server.
	config["http"] = map[string]any{"enabled": false}
	text, err = yaml.Marshal(config)
	check(t, err)
	check(t, os.WriteFile(p.path("config.yaml"), text, 0o600))

	p.process = exec.Command(setting(t, "PIPELINE"), "-c", p.path("config.yaml"))
	if setting(t, "TARGET") == "redpanda-connect" {
		p.process = exec.Command(setting(t, "PIPELINE"), "run", p.path("config.yaml"))
	}
	p.process.Env = append(os.Environ(),
		"RULE="+p.rule, fmt.Sprintf("THREADS=%d", p.threads),
		"EVENTS="+p.path("events.ndjson"), "ALERTS="+p.path("alerts.ndjson"),
		"ERRORS="+p.path("errors.ndjson"))
	for name, value := range p.env {
		p.process.Env = append(p.process.Env, name+"="+value)
	}
	p.log = &logged{word: word, found: make(chan struct{})}
	p.process.Stdout, p.process.Stderr = p.log, p.log
	check(t, p.process.Start())
	t.Cleanup(func() { _ = p.process.Process.Kill() })
}

// finish waits until the process has read all input and ended.
func (p *pipeline) finish(t *testing.T) {
	t.Helper()
	if err := p.process.Wait(); err != nil {
		t.Fatalf("%s: %v\n%s", p.name, err, p.log)
	}
}

// run starts the process and waits for its end.
func (p *pipeline) run(t *testing.T) {
	t.Helper()
	p.start(t, "")
	p.finish(t)
}

// lines are the lines of a file that the process wrote; none if there is no file.
func (p *pipeline) lines(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(p.path(name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	check(t, err)
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

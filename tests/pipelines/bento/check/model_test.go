package check

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"
)

const (
	day    = 24 * time.Hour
	window = 10 * day // of the flagship rule
	users  = 2000
	seed   = 5
)

// episode is a run of sightings of one user without a gap longer than the window. It gives one alert.
type episode struct{ from, to time.Time }

// model is a set of events with the expected alerts.
type model struct {
	events   []string
	episodes map[string][]episode
}

// shape is the pattern of the times of a user's sightings.
type shape int

const (
	// Within one window: one episode.
	once shape = iota
	// Two episodes, each within one window, with a gap between them. Each episode alerts once in any
	// order of the events, so this shape is for several threads.
	twice
	// Many episodes, most of them longer than the window, so that it slides. For events in order.
	sliding
)

// silence is the time without sightings after a burst; last means that it ends the first half.
func (s shape) silence(random *rand.Rand, half bool) time.Duration {
	upTo := func(d time.Duration) time.Duration {
		return time.Duration(random.Int64N(int64(d/time.Millisecond))) * time.Millisecond
	}
	switch {
	case s == sliding && random.IntN(5) < 3:
		return 4*day + upTo(5*day)
	case s == sliding, s == twice && half:
		return window + time.Hour + upTo(10*day)
	default:
		return 30*time.Minute + upTo(5*time.Hour)
	}
}

// generate returns events of 2,000 users in order of time. They are in bursts of one user, so that
// threads and batches contend for a term.
func generate(count int, s shape) model {
	random := rand.New(rand.NewPCG(seed, seed))
	start := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	type burst struct {
		user string
		at   time.Time
		size int
	}
	var bursts []burst
	episodes := map[string][]episode{}
	per := count / users
	for n := range users {
		user := fmt.Sprintf("user-%04d", n)
		at := start.Add(time.Duration(random.IntN(5*24*3600)) * time.Second)
		for left := per; left > 0; {
			size := min(left, 1+random.IntN(8))
			if left > per/2 {
				size = min(size, left-per/2)
			}
			left -= size
			end := at.Add(time.Duration(size-1) * time.Second)
			known := episodes[user]
			if len(known) == 0 || at.Sub(known[len(known)-1].to) > window {
				episodes[user] = append(known, episode{at, end})
			} else {
				known[len(known)-1].to = end
			}
			bursts = append(bursts, burst{user, at, size})
			at = end.Add(s.silence(random, left == per/2))
		}
	}
	sort.SliceStable(bursts, func(a, b int) bool { return bursts[a].at.Before(bursts[b].at) })
	m := model{episodes: episodes}
	for _, b := range bursts {
		for n := range b.size {
			at := b.at.Add(time.Duration(n) * time.Second).Format("2006-01-02T15:04:05.000Z")
			m.events = append(m.events, fmt.Sprintf(`{"@timestamp":"%s","event":{"id":"e-%d",`+
				`"dataset":"aws.cloudtrail","provider":"cloudformation.amazonaws.com",`+
				`"action":"CreateStack","outcome":"success"},`+
				`"cloud":{"account":{"id":"111122223333"}},"user":{"name":"%s"}}`,
				at, len(m.events), b.user))
		}
	}
	return m
}

// write writes events to a file for a pipeline.
func (p *pipeline) write(t *testing.T, events []string) {
	t.Helper()
	text := strings.Join(events, "\n") + "\n"
	check(t, os.WriteFile(p.path("events.ndjson"), []byte(text), 0o600))
}

// alerts are documents by id, and the number of lines.
type alerts struct {
	byID  map[string]string
	lines int
}

// read adds alerts; the same id must have the same bytes.
func (a *alerts) read(t *testing.T, lines []string) {
	t.Helper()
	if a.byID == nil {
		a.byID = map[string]string{}
	}
	for _, line := range lines {
		var alert struct {
			ID string `json:"kibana.alert.uuid"`
		}
		if err := json.Unmarshal([]byte(line), &alert); err != nil || alert.ID == "" {
			t.Fatalf("no alert (%v): %s", err, line)
		}
		if before, known := a.byID[alert.ID]; known && before != line {
			t.Fatalf("one id, two alerts:\n%s\n%s", before, line)
		}
		a.byID[alert.ID] = line
		a.lines++
	}
}

// expect checks that there is one alert for each episode of each user, and no other.
func (m model) expect(t *testing.T, a alerts) {
	t.Helper()
	got := map[string]int{}
	for _, line := range a.byID {
		var alert struct {
			Time time.Time `json:"@timestamp"`
			User struct {
				Name string `json:"name"`
			} `json:"user"`
		}
		check(t, json.Unmarshal([]byte(line), &alert))
		place := -1
		for n, e := range m.episodes[alert.User.Name] {
			if !alert.Time.Before(e.from) && !alert.Time.After(e.to) {
				place = n
			}
		}
		got[fmt.Sprintf("%s %d", alert.User.Name, place)]++
	}
	want, missing, twice := 0, 0, 0
	for user, episodes := range m.episodes {
		for n := range episodes {
			want++
			switch got[fmt.Sprintf("%s %d", user, n)] {
			case 0:
				missing++
			case 1:
			default:
				twice++
			}
		}
	}
	if missing+twice > 0 || len(a.byID) != want {
		t.Fatalf("%d alerts for %d episodes: %d have none, %d more than one",
			len(a.byID), want, missing, twice)
	}
	t.Logf("seed %d: %d events, %d users, %d episodes: one alert each; %d lines",
		seed, len(m.events), len(m.episodes), want, a.lines)
}

// expectState checks that each user's state contains the two newest episodes. A sighting that a race
// had overwritten would be missing.
func (m model) expectState(t *testing.T, values [][]byte) {
	t.Helper()
	type span [2]int64
	want := map[string][]span{}
	for user, episodes := range m.episodes {
		for _, e := range episodes[max(0, len(episodes)-2):] {
			want[user] = append(want[user], span{e.from.UnixMilli(), e.to.UnixMilli()})
		}
	}
	for _, value := range values {
		var got []span
		at := 2
		for range value[1] {
			got = append(got, span{
				int64(binary.LittleEndian.Uint64(value[at:])),
				int64(binary.LittleEndian.Uint64(value[at+8:])),
			})
			at += 17 + 24*int(value[at+16])
		}
		var term []string
		check(t, json.Unmarshal(value[at:], &term))
		user := term[len(term)-1]
		if !slices.Equal(got, want[user]) {
			t.Fatalf("%s: the state has the episodes %v, not %v", user, got, want[user])
		}
		delete(want, user)
	}
	if len(want) > 0 {
		t.Fatalf("%d users have no state", len(want))
	}
}

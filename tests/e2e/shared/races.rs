//! Several processes over one stream in random parts, with repeats and reordering, while workers are killed,
//! connections are cut and the server is killed.
//!
//! In: a seed. Out: whether each episode of a term alerted exactly once after equal ids are dropped. What has to
//! alert is worked out here from how the stream was made, by no code of the product.

use super::cluster::Cluster;
use super::cutter::{Cut, Cutter};
use super::server::Server;
use crate::support::{Chance, call, create_stack};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Condvar, Mutex};

/// From one episode to the next: more than the flagship's window of ten days and an episode's length.
const APART_S: i64 = 25 * 86_400;
/// Events of one episode are at most so far apart that any two of them are in one window.
const EPISODE_S: i64 = 9 * 86_400;
/// 2025-01-01.
const BEGIN_S: i64 = 1_735_689_600;

impl Chance {
    fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.below(at as u64 + 1) as usize);
        }
    }
}

/// How much there is.
struct Scale {
    workers: usize,
    users: u64,
    episodes: u64,
    parts: usize,
    /// The server is killed before so many parts of each episode are done.
    kills: usize,
}

/// Lines that are decided before those of the next stretch, in parts.
struct Stretch {
    parts: Vec<String>,
}

/// By user and number of the episode the events of which one has to alert.
type ExpectedAlerts = BTreeMap<(String, usize), BTreeSet<String>>;

/// What is read, and what has to alert.
struct Story {
    stretches: Vec<Stretch>,
    expected: ExpectedAlerts,
    /// Pairs of episodes that had alerted, of which a late event made one.
    joined: usize,
}

/// Lines in parts, in any order.
fn in_parts(chance: &mut Chance, mut lines: Vec<String>, parts: usize) -> Stretch {
    chance.shuffle(&mut lines);
    let mut out = vec![String::new(); parts];
    for line in lines {
        out[chance.below(parts as u64) as usize] += &line;
    }
    out.retain(|part| !part.is_empty());
    Stretch { parts: out }
}

/// Episodes one after the other: nothing is read later than events a window ahead of it.
fn one_by_one(chance: &mut Chance, scale: &Scale) -> Story {
    let mut before: Vec<String> = Vec::new();
    let mut story = Story { stretches: Vec::new(), expected: BTreeMap::new(), joined: 0 };
    for episode in 0..scale.episodes {
        let mut lines = Vec::new();
        for user in 0..scale.users {
            // Most act in most episodes.
            for event in 0..chance.below(6).saturating_sub(1) {
                let user = format!("user{user}");
                let id = format!("{user}-{episode}-{event}");
                let at = BEGIN_S
                    + APART_S * i64::try_from(episode).unwrap()
                    + i64::try_from(chance.below(EPISODE_S as u64)).unwrap();
                lines.push(format!("{}\n", create_stack(&id, &rfc3339(at), &user)));
                let number = usize::try_from(episode).unwrap();
                story.expected.entry((user, number)).or_default().insert(id);
            }
        }
        let own = lines.clone();
        // Some come twice, some of the episode before once more.
        lines.extend(own.iter().filter(|_| chance.below(3) == 0).cloned());
        lines.extend(before.iter().filter(|_| chance.below(4) == 0).cloned());
        story.stretches.push(in_parts(chance, lines, scale.parts));
        before = own;
    }
    story
}

/// Two episodes of a user in one stretch, and in the next, for some, events that were in the middle: those come
/// a whole window late, and make one episode of two that have alerted.
fn with_late_ones(chance: &mut Chance, scale: &Scale) -> Story {
    const DAY_S: i64 = 86_400;
    let mut story = Story { stretches: Vec::new(), expected: BTreeMap::new(), joined: 0 };
    for pair in 0..scale.episodes {
        let begin = BEGIN_S + 60 * DAY_S * i64::try_from(pair).unwrap();
        let (mut lines, mut late) = (Vec::new(), Vec::new());
        for user in 0..scale.users {
            let user = format!("user{user}");
            let line = |chance: &mut Chance, episode: u64, event: u64, from: i64, hours: u64| {
                let id = format!("{user}-{episode}-{event}");
                let at = begin + from + 3600 * i64::try_from(chance.below(hours)).unwrap();
                (id.clone(), format!("{}\n", create_stack(&id, &rfc3339(at), &user)))
            };
            // Days 0 and 1, and 15 and 16: over ten days apart.
            for (episode, from) in [(3 * pair, 0), (3 * pair + 1, 15 * DAY_S)] {
                for event in 0..=chance.below(3) {
                    let (id, text) = line(chance, episode, event, from, 48);
                    lines.push(text);
                    let number = usize::try_from(episode).unwrap();
                    story.expected.entry((user.clone(), number)).or_default().insert(id);
                }
            }
            // Days 7 and 8: within ten days of both.
            if chance.below(2) == 0 {
                story.joined += 1;
                for event in 0..=chance.below(2) {
                    late.push(line(chance, 3 * pair + 2, event, 7 * DAY_S, 48).1);
                }
            }
        }
        let repeats: Vec<String> = lines.iter().filter(|_| chance.below(3) == 0).cloned().collect();
        late.extend(repeats);
        story.stretches.push(in_parts(chance, lines, scale.parts));
        story.stretches.push(in_parts(chance, late, scale.parts));
    }
    story
}

fn rfc3339(seconds: i64) -> String {
    let time = chrono::DateTime::from_timestamp(seconds, 0).unwrap();
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// What the workers share.
struct Work {
    parts: VecDeque<(String, u32)>,
    /// Parts that a worker is at, or that wait.
    open: usize,
    /// Parts to be done until the server is killed next.
    until_kill: Vec<usize>,
    chance: Chance,
    alerts: Vec<String>,
    cuts: Vec<Cut>,
    again: usize,
}

/// Gives all parts to workers until each is done.
fn work(server: &Mutex<Servers>, cutters: &[Cutter], work: &Mutex<Work>, changed: &Condvar) {
    std::thread::scope(|scope| {
        for (number, cutter) in cutters.iter().enumerate() {
            scope.spawn(move || {
                loop {
                    let mut shared = work.lock().unwrap();
                    while shared.parts.is_empty() && shared.open > 0 {
                        shared = changed.wait(shared).unwrap();
                    }
                    let Some((part, tries)) = shared.parts.pop_front() else { return };
                    let cut = match shared.chance.below(10) {
                        // In the end every part is done.
                        _ if tries > 3 => None,
                        0 | 1 => Some(Cut::Request),
                        2 | 3 => Some(Cut::Answer),
                        4..=6 => Some(Cut::Worker),
                        _ => None,
                    };
                    let at = u32::try_from(shared.chance.below(2)).unwrap();
                    drop(shared);
                    let (is_done, alerts, cuts) =
                        one(cutter, number, &part, cut.map(|cut| (at, cut)));
                    let mut shared = work.lock().unwrap();
                    shared.alerts.extend(alerts);
                    shared.cuts.extend(cuts);
                    if is_done {
                        shared.open -= 1;
                    } else {
                        shared.again += 1;
                        shared.parts.push_back((part, tries + 1));
                    }
                    let left = shared.open;
                    let kills = shared.until_kill.pop_if(|at| left <= *at).is_some();
                    drop(shared);
                    changed.notify_all();
                    if kills {
                        server.lock().unwrap().kill_one();
                    }
                }
            });
        }
    });
}

/// Runs one part; whether it was done, its whole lines, and what was cut.
fn one(
    cutter: &Cutter,
    number: usize,
    part: &str,
    cut: Option<(u32, Cut)>,
) -> (bool, Vec<String>, Vec<Cut>) {
    let mut run =
        call("run").arg("--state").arg(cutter.address()).args(&["--state-wait", "60s", "-q"]);
    let input = run.folder.write("part", part);
    let output = run.folder.path("alerts");
    run = run.arg("--output").arg(&output).arg(&input);
    let errors = run.folder.path("errors");
    run.command.stderr(std::fs::File::create(&errors).unwrap());
    // No write is counted before it is known whose it is.
    let mut plan = cutter.plan.lock().unwrap();
    let mut child = run.command.spawn().unwrap();
    (plan.next, plan.worker) = (cut, Some(rustix::process::Pid::from_child(&child)));
    plan.done.clear();
    drop(plan);
    let status = child.wait().unwrap();
    let mut plan = cutter.plan.lock().unwrap();
    (plan.next, plan.worker) = (None, None);
    let errors = std::fs::read_to_string(&errors).unwrap();
    let killed = plan.done.contains(&Cut::Worker);
    assert!(status.success() || killed, "worker {number}: {status}: {errors}");
    let text = std::fs::read_to_string(&output).unwrap_or_default();
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    (status.success(), lines.map(str::to_owned).collect(), std::mem::take(&mut plan.done))
}

/// One server, or those of a cluster, which are killed in turn.
enum Servers {
    One(Server),
    Cluster(Cluster, usize),
}

impl Servers {
    /// Kills one, as a crash does, and starts it over its data.
    fn kill_one(&mut self) {
        let server = match self {
            Self::One(server) => server,
            Self::Cluster(cluster, turn) => {
                *turn += 1;
                let count = cluster.nodes.len();
                &mut cluster.nodes[*turn % count]
            }
        };
        server.kill();
        server.launch();
    }

    fn cutter(&self, number: usize) -> Cutter {
        match self {
            Self::One(server) => {
                Cutter::before(&server.socket(), server.file(&format!("worker{number}")))
            }
            Self::Cluster(cluster, _) => Cutter::before_cluster(&cluster.ports),
        }
    }

    fn address(&self) -> String {
        match self {
            Self::One(server) => server.address(),
            Self::Cluster(cluster, _) => cluster.address(),
        }
    }
}

fn one_server() -> Option<Servers> {
    Server::start().map(Servers::One)
}

fn a_cluster() -> Option<Servers> {
    Cluster::start().map(|cluster| Servers::Cluster(cluster, 0))
}

type Tell = fn(&mut Chance, &Scale) -> Story;

fn episodes_alert_once(seed: u64, scale: &Scale, start: fn() -> Option<Servers>, tell: Tell) {
    let Some(server) = start() else { return };
    let mut chance = Chance(seed);
    let Story { stretches, expected, joined } = tell(&mut chance, scale);
    let cutters: Vec<Cutter> = (0..scale.workers).map(|number| server.cutter(number)).collect();
    let address = server.address();
    let server = Mutex::new(server);
    let (mut texts, mut cuts, mut again) = (BTreeMap::new(), Vec::new(), 0);
    // By the user and the number of the episode, the ids of alerts.
    let mut given: BTreeMap<(String, usize), BTreeSet<String>> = BTreeMap::new();
    for stretch in &stretches {
        let count = stretch.parts.len();
        let shared = Mutex::new(Work {
            parts: stretch.parts.iter().map(|part| (part.clone(), 0)).collect(),
            open: count,
            until_kill: (1..=scale.kills).map(|kill| kill * count / (scale.kills + 1)).collect(),
            chance: Chance(chance.below(u64::MAX)),
            alerts: Vec::new(),
            cuts: Vec::new(),
            again: 0,
        });
        work(&server, &cutters, &shared, &Condvar::new());
        let shared = shared.into_inner().unwrap();
        cuts.extend(shared.cuts);
        again += shared.again;
        for line in shared.alerts {
            let alert: Value = serde_json::from_str(&line).expect(&line);
            let user = alert["user"]["name"].as_str().unwrap().to_owned();
            let event = alert["event"]["id"].as_str().unwrap();
            let id = alert["kibana.alert.uuid"].as_str().unwrap().to_owned();
            let episode: usize = event.split('-').nth(1).unwrap().parse().unwrap();
            assert!(
                expected.get(&(user.clone(), episode)).is_some_and(|events| events.contains(event)),
                "seed {seed}: an alert for {event} of {user}"
            );
            // What has one id has the same bytes.
            let text = texts.entry(id.clone()).or_insert_with(|| line.clone());
            assert_eq!(*text, line, "seed {seed}");
            given.entry((user, episode)).or_default().insert(id);
        }
    }
    for (user, number) in expected.keys() {
        let ids = given.get(&(user.clone(), *number)).map_or(0, BTreeSet::len);
        assert_eq!(ids, 1, "seed {seed}: {user}, episode {number}: {ids} alerts");
    }
    assert_eq!(given.len(), expected.len(), "seed {seed}");
    let episodes = expected.len() - joined;
    let count = |cut: Cut| cuts.iter().filter(|done| **done == cut).count();
    let counts = (count(Cut::Request), count(Cut::Answer), count(Cut::Worker));
    eprintln!(
        "seed {seed}: {episodes} episodes, {joined} of them with two ids because they were joined late, \
         {again} parts again; requests, answers, workers cut: {counts:?}"
    );
    assert!(counts.0 > 0 && counts.1 > 0 && counts.2 > 0, "seed {seed}: {counts:?}");
    // A worker that had connected anew before the signal came may have ended well.
    assert!((1..=counts.2).contains(&again), "seed {seed}: {again} of {}", counts.2);
    call("state").arg("verify").arg(address).ok();
}

#[test]
fn three_processes_alert_once_for_each_episode() {
    for (seed, tell) in [(1, one_by_one as Tell), (2, with_late_ones)] {
        let scale = Scale { workers: 3, users: 12, episodes: 3, parts: 8, kills: 1 };
        episodes_alert_once(seed, &scale, one_server, tell);
    }
}

#[test]
fn three_processes_alert_once_for_each_episode_over_a_cluster() {
    let scale = Scale { workers: 3, users: 12, episodes: 2, parts: 8, kills: 1 };
    episodes_alert_once(3, &scale, a_cluster, one_by_one);
}

fn first_seed() -> u64 {
    std::env::var("FIRSTSEEN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(100)
}

/// The long form: `just shared`.
#[test]
#[ignore = "long; run it alone"]
fn eight_processes_alert_once_for_each_episode() {
    for seed in first_seed()..first_seed() + 5 {
        let scale = Scale { workers: 8, users: 60, episodes: 6, parts: 32, kills: 3 };
        let tell = if seed % 2 == 0 { one_by_one as Tell } else { with_late_ones };
        episodes_alert_once(seed, &scale, one_server, tell);
    }
}

/// The long form over a cluster, whose servers are killed in turn.
#[test]
#[ignore = "long; run it alone"]
fn eight_processes_alert_once_for_each_episode_over_a_cluster() {
    for seed in first_seed()..first_seed() + 2 {
        let scale = Scale { workers: 8, users: 60, episodes: 4, parts: 32, kills: 3 };
        let tell = if seed % 2 == 0 { one_by_one as Tell } else { with_late_ones };
        episodes_alert_once(seed, &scale, a_cluster, tell);
    }
}

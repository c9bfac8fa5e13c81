//! What a state at a server costs: events of `run` in a second beside a state in a file, and look-ups.
//!
//! In: a number of events (20,000 unless told otherwise), and redis-server (FIRSTSEEN_REDIS_SERVER names another).
//! Out: a line for each measurement; the time is that of whole processes, over events of which each matches
//! and has a term of its own. `cargo bench -p firstseen --features redis --bench redis -- 20000`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use firstseen::state::shared::WeakServer;
use firstseen::state::{RedisState, SharedOptions, StateStore, StateWrite};
use firstseen_rule::state::TermState;
use std::fmt::Write as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

/// As many keys as a run asks for at once.
const ASKED: u64 = 256;
const LOOK_UPS: u64 = 131_072;
const WORKERS: u64 = 4;

/// Events of users that no other event has, one a second.
fn events(numbers: std::ops::Range<u64>) -> String {
    let mut text = String::new();
    for n in numbers {
        let time = chrono::DateTime::from_timestamp(1_735_689_600 + n as i64, 0).unwrap();
        let time = time.format("%Y-%m-%dT%H:%M:%SZ");
        writeln!(
            text,
            r#"{{"eventVersion":"1.11","userIdentity":{{"type":"IAMUser","accountId":"111122223333","userName":"user{n}"}},"eventTime":"{time}","eventSource":"cloudformation.amazonaws.com","eventName":"CreateStack","awsRegion":"us-east-1","sourceIPAddress":"203.0.113.24","userAgent":"aws-cli/2.24.14","requestParameters":{{"stackName":"network-base"}},"eventID":"event{n}","eventType":"AwsApiCall","recipientAccountId":"111122223333"}}"#
        )
        .unwrap();
    }
    text
}

fn start(state: &str, input: &Path) -> Child {
    let mut run = Command::new(env!("CARGO_BIN_EXE_firstseen"));
    run.args(["run", "-q", "--state", state, "--append", "--output"]);
    run.arg(input.with_extension("alerts")).arg(input);
    run.spawn().unwrap()
}

/// Events in a second, by processes that begin together.
fn measure(what: &str, state: &str, inputs: &[PathBuf], events: u64) {
    let began = Instant::now();
    let workers: Vec<Child> = inputs.iter().map(|input| start(state, input)).collect();
    for mut worker in workers {
        assert!(worker.wait().unwrap().success());
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("  {what}: {} events/s ({seconds:.2} s)", (events as f64 / seconds) as u64);
}

/// A server that is killed at the end.
struct Server(Child);

impl Server {
    fn start(folder: &Path) -> (Self, String) {
        let program = env::var_os("FIRSTSEEN_REDIS_SERVER");
        let socket = folder.join("s");
        let mut command = Command::new(program.unwrap_or_else(|| "redis-server".into()));
        command.args(["--port", "0", "--save", "", "--appendonly", "yes"]);
        command.args(["--appendfsync", "always", "--dir"]).arg(folder);
        command.arg("--unixsocket").arg(&socket).stdout(Stdio::null());
        let server = Self(command.spawn().unwrap());
        while UnixStream::connect(&socket).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        (server, format!("redis+unix://{}", socket.display()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn key(n: u64) -> Vec<u8> {
    let hash = blake3::hash(&n.to_le_bytes()).to_hex();
    format!("bench:0415258b-a7b2-48a6-891a-3367cd9d4d31:7bd73666cc3b5286:{}", &hash[..32])
        .into_bytes()
}

/// Writes and look-ups of the store alone, in batches of as many as a run has.
fn store_alone(address: &str, terms: u64) {
    let options = SharedOptions {
        tenant: Some("bench".to_owned()),
        password: None,
        weak: WeakServer::Refuse,
        wait: Some(Duration::ZERO),
        is_stopped: Box::new(|| false),
        tell: Box::new(|text| println!("{text}")),
        now_ms: || 0,
        instant: Instant::now,
    };
    let mut store = RedisState::open(address, false, options).unwrap();
    let value = TermState::seen(0, 0).unwrap().write(r#"["111122223333","user@example.com"]"#);
    let began = Instant::now();
    for from in (0..terms).step_by(ASKED as usize) {
        let keys: Vec<Vec<u8>> = (from..(from + ASKED).min(terms)).map(key).collect();
        let writes = keys.iter().map(|key| StateWrite {
            key,
            expected: None,
            value: &value,
            expires_ms: 1_000_000_000,
        });
        store.apply(&mut writes.into_iter()).unwrap();
    }
    println!("  {} writes/s", (terms as f64 / began.elapsed().as_secs_f64()) as u64);
    for (what, from) in [("known", 0), ("unknown", terms)] {
        let began = Instant::now();
        let mut random = 1_u64;
        for _ in 0..LOOK_UPS / ASKED {
            let keys = (0..ASKED).map(|_| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                key((random >> 20) % terms + from)
            });
            let keys: Vec<_> = keys.collect();
            let found = store.get_many(&mut keys.iter().map(Vec::as_slice)).unwrap();
            assert!(found.iter().all(|value| value.is_some() == (what == "known")));
        }
        let speed = (LOOK_UPS as f64 / began.elapsed().as_secs_f64()) as u64;
        println!("  {speed} look-ups/s of {what} keys");
    }
}

fn main() {
    let words: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    let count: u64 = words.first().map_or(20_000, |word| word.replace('_', "").parse().unwrap());
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = |name: &str| folder.path().join(name);
    let write = |name: String, numbers| {
        let path = path(&name);
        fs::write(&path, events(numbers)).unwrap();
        path
    };
    let all = [write("all".to_owned(), 0..count)];
    let part = |n: u64| write(format!("part{n}"), count * n / WORKERS..count * (n + 1) / WORKERS);
    let parts: Vec<PathBuf> = (0..WORKERS).map(part).collect();
    // Compiled code is in the cache from here on.
    measure("(first start)", "memory:", &all, count);
    println!("{count} events, a state in a file");
    let file = path("s.redb").display().to_string();
    measure("new terms", &file, &all, count);
    measure("seen terms", &file, &all, count);
    println!("at a server");
    let (server, address) = Server::start(folder.path());
    measure("new terms, 1 worker", &address, &all, count);
    measure("seen terms, 1 worker", &address, &all, count);
    drop(server);
    let _ = fs::remove_dir_all(path("appendonlydir"));
    let (server, _) = Server::start(folder.path());
    measure("new terms, 4 workers", &address, &parts, count);
    measure("seen terms, 4 workers", &address, &parts, count);
    println!("the store alone, in batches of {ASKED}");
    store_alone(&address, count);
    drop(server);
}

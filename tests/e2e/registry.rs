//! Artifacts in a registry: `push`, `pull`, and `oci://` where a rule is named.
//!
//! In: Debian's docker-registry on this machine, and servers of the tests that lie. Out: whether what comes back is what
//! was pushed, whatever the registry says. Without docker-registry those tests are skipped, with a line that says so.

mod redirects;

use crate::build::artifact;
use crate::support::{Call, Folder, call, run};
use serde_json::json;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const PROGRAM: &str = "/usr/bin/docker-registry";
/// A password that must be in no message.
const PASSWORD: &str = "not-for-messages";

/// A registry for one test.
pub(crate) struct Registry {
    child: Child,
    pub(crate) address: SocketAddr,
    _data: Folder,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Registry {
    /// Nothing where none is installed, which is said past the test's capture.
    pub(crate) fn start(has_password: bool) -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            let _ = writeln!(std::io::stderr(), "skipped: {PROGRAM} is not installed");
            return None;
        }
        let data = Folder::new();
        let mut config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: '127.0.0.1:0'}}\n",
            data.path("data").display()
        );
        if has_password {
            // bcrypt of PASSWORD.
            let users = data.write(
                "users",
                "alice:$2b$04$znid2FMFPeULLHSD5t1AW.N5Wkm/DUtUqn/4NywcG3mvt.O6.Ui8u\n",
            );
            config += &format!("auth: {{htpasswd: {{realm: r, path: {}}}}}\n", users.display());
        }
        let config = data.write("config.yml", config);
        let mut command = Command::new(PROGRAM);
        command.arg("serve").arg(config).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "docker-registry ended");
            if let Some((_, rest)) = line.split_once("listening on ") {
                let end = rest.find(|c: char| c != '.' && c != ':' && !c.is_ascii_digit());
                break rest[..end.unwrap()].parse().unwrap();
            }
        };
        // What it says later is read, so that it never waits.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Some(Self { child, address, _data: data })
    }

    fn at(&self, what: &str) -> String {
        format!("oci://{}/{what}", self.address)
    }
}

/// An artifact and an event that it matches; a cache and a store of passwords of its own.
struct Scene {
    folder: Folder,
    artifact: PathBuf,
    events: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let folder = Folder::new();
        let artifact = artifact(&folder, "one", "event.action: one", &["user.name"]);
        let event = json!({ "@timestamp": "2025-01-01T08:00:00Z", "event": { "id": "e", "action": "one" },
                            "user": { "name": "alice" } });
        let events = folder.write("events.ndjson", format!("{event}\n"));
        Self { folder, artifact, events }
    }

    fn own(&self, mut call: Call) -> Call {
        call.command.env("XDG_CACHE_HOME", self.folder.path("cache"));
        call.command.env("DOCKER_CONFIG", self.folder.path("docker"));
        call
    }

    fn push(&self, address: &str) -> Call {
        self.own(call("push").arg(&self.artifact).arg(address))
    }

    fn pull(&self, address: &str) -> Call {
        self.own(call("pull").arg(address).arg("-o").arg(self.folder.path("pulled.wasm")))
    }

    fn run(&self, address: &str) -> Call {
        self.own(run().arg("--rule").arg(address).arg(&self.events))
    }
}

#[test]
fn what_is_pushed_is_pulled_and_runs() {
    let Some(registry) = Registry::start(false) else { return };
    let scene = Scene::new();
    let by_digest = scene.push(&registry.at("team/one:1")).ok().stdout.trim_end().to_owned();
    assert!(by_digest.starts_with(&registry.at("team/one@sha256:")), "{by_digest}");
    // The same bytes have the same digest, whatever they are called; a time makes another one.
    assert_eq!(scene.push(&registry.at("team/one:2")).ok().stdout.trim_end(), by_digest);
    let timed = scene.push(&registry.at("team/one:3")).args(&["--created", "2026-01-01T00:00:00Z"]);
    assert_ne!(timed.ok().stdout.trim_end(), by_digest);
    let told = scene.pull(&registry.at("team/one:2")).ok().stderr;
    assert!(told.contains(&by_digest), "{told}");
    assert_eq!(
        fs::read(scene.folder.path("pulled.wasm")).unwrap(),
        fs::read(&scene.artifact).unwrap()
    );
    let digest = by_digest.split_once('@').unwrap().1;
    let done = scene.run(&registry.at("team/one:1")).ok();
    assert_eq!(done.alert_ids(), ["e"]);
    assert!(done.stderr.contains(digest), "{}", done.stderr);
    let page = scene.own(call("inspect").arg(registry.at("team/one:1"))).ok().stdout;
    assert!(page.starts_with("Rule one\n"), "{page}");
    scene.run(&registry.at("team/one:4")).fails(&["team/one:4", "it is not there"]);
    scene.run(&registry.at("team/two:1")).fails(&["team/two:1", "it is not there"]);
    // Signed bytes are other bytes, and only they run where a key is required.
    let key = scene.folder.path("ci");
    call("keygen").arg(&key).ok();
    let public = format!("{}.pub", key.display());
    let required = |address: &str| scene.run(address).arg("--require-signed").arg(&public);
    required(&by_digest).fails(&["team/one@sha256:", "it is not signed"]);
    call("sign").arg("--key").arg(format!("{}.key", key.display())).arg(&scene.artifact).ok();
    let signed = scene.push(&registry.at("team/one:1")).ok().stdout.trim_end().to_owned();
    assert_ne!(signed, by_digest);
    assert_eq!(required(&signed).ok().alert_ids(), ["e"]);
    // With its digest in the cache a rule needs no registry; a tag does.
    drop(registry);
    assert_eq!(scene.run(&by_digest).ok().alert_ids(), ["e"]);
    scene.run(&by_digest.replace(&format!("@{digest}"), ":1")).fails(&["team/one:1"]);
    // What was damaged in the cache is not used.
    let blobs = scene.folder.path("cache/firstseen/oci");
    for entry in fs::read_dir(blobs).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        bytes[9] ^= 1;
        fs::write(path, bytes).unwrap();
    }
    scene.run(&by_digest).fails(&["team/one@sha256:"]);
}

#[test]
fn passwords_come_from_dockers_store_and_are_in_no_message() {
    let Some(registry) = Registry::start(true) else { return };
    let scene = Scene::new();
    let address = registry.at("team/one:1");
    let docker = scene.folder.path("docker");
    fs::create_dir(&docker).unwrap();
    scene.push(&address).fails(&["docker login"]);
    let store = |password: &str| {
        let both = base64(format!("alice:{password}").as_bytes());
        let config = json!({ "auths": { registry.address.to_string(): { "auth": both } } });
        fs::write(docker.join("config.json"), config.to_string()).unwrap();
    };
    let secret_is_kept = |text: &str| {
        assert!(
            !text.contains(PASSWORD)
                && !text.contains(&base64(format!("alice:{PASSWORD}").as_bytes())),
            "{text}"
        );
    };
    store("wrong");
    secret_is_kept(&scene.push(&address).fails(&["not allowed", "docker login"]).stderr);
    store(PASSWORD);
    secret_is_kept(&scene.push(&address).arg("--log-level").arg("debug").ok().stderr);
    assert_eq!(scene.run(&address).ok().alert_ids(), ["e"]);
    // A program that Docker's file names.
    let helper = scene.folder.path("docker-credential-test");
    let script = |ends: &str| {
        format!(
            "#!/bin/sh\ncat >/dev/null\necho '{{\"Username\":\"alice\",\"Secret\":\"{PASSWORD}\"}}'\n{ends}\n"
        )
    };
    let with_helper = |ends: &str| {
        fs::write(&helper, script(ends)).unwrap();
        fs::set_permissions(&helper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        fs::write(docker.join("config.json"), r#"{"credsStore":"test"}"#).unwrap();
        let mut call = scene.pull(&address).args(&["--cache", "none"]);
        let path = std::env::var("PATH").unwrap();
        call.command.env("PATH", format!("{}:{path}", scene.folder.path("").display()));
        call
    };
    with_helper("exit 0").ok();
    let failed = with_helper("exit 1").fails(&["docker-credential-test", "failed"]);
    secret_is_kept(&failed.stderr);
    scene.pull(&address).args(&["--cache", "none"]).fails(&["docker-credential-"]);
}

/// A server that gives these answers, one for each request, and ends.
fn liar(
    answers: Vec<(u16, &'static str, Vec<u8>)>,
) -> (SocketAddr, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for (status, headers, body) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read_exact(&mut byte).is_err() {
                    return asked;
                }
                head.extend(byte);
            }
            asked.push(String::from_utf8(head).unwrap());
            let here = headers.replace("HERE", &address.to_string());
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} X\r\nConnection: close\r\n{here}Content-Length: {length}\r\n\r\n"
            );
            // A client that has read enough goes away.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
        asked
    });
    (address, server)
}

/// What was asked for, once whoever asks is done: a server that still waits ends too.
fn asked(address: SocketAddr, server: std::thread::JoinHandle<Vec<String>>) -> Vec<String> {
    let _ = TcpStream::connect(address);
    server.join().unwrap()
}

fn manifest(kind: &str, digest: &str, size: usize) -> Vec<u8> {
    let layer = json!({ "mediaType": kind, "digest": digest, "size": size });
    json!({ "schemaVersion": 2, "layers": [layer] }).to_string().into_bytes()
}

#[test]
fn a_registry_that_lies_is_not_believed() {
    let scene = Scene::new();
    let wasm = fs::read(&scene.artifact).unwrap();
    let zero = format!("sha256:{}", "0".repeat(64));
    let old = "application/vnd.wasm.content.layer.v1+wasm";
    let sized = |size| manifest("application/wasm", &zero, size);
    let refused = |answers: Vec<Vec<u8>>, words: &[&str]| {
        let count = answers.len();
        let answers: Vec<_> = answers.into_iter().map(|body| (200, "", body)).collect();
        let (address, server) = liar(answers);
        scene.pull(&format!("oci://{address}/one:1")).args(&["--cache", "none"]).fails(words);
        assert_eq!(asked(address, server).len(), count, "{words:?}");
        assert!(!scene.folder.path("pulled.wasm").exists());
    };
    refused(vec![b"no manifest".to_vec()], &["manifest cannot be read"]);
    refused(vec![sized(0)], &["0 bytes"]);
    refused(vec![sized(1 << 40)], &["1099511627776 bytes"]);
    refused(vec![manifest("text/plain", &zero, 9)], &["0 layers"]);
    refused(vec![vec![b' '; (4 << 20) + 1]], &["more than"]);
    refused(vec![sized(wasm.len()), wasm.clone()], &["other bytes for its layer"]);
    refused(vec![sized(9), wasm.clone()], &["more than 9 bytes"]);
    let own = "sha256:9834876dcfb05cb167a5c24953eba58c4ac89b1adf57f28f2f9d09af107ee8f0";
    refused(vec![manifest(old, own, 3), b"aaa".to_vec()], &["not a WebAssembly module"]);
    refused(vec![manifest(old, own, 4), b"aaa".to_vec()], &["3 bytes instead of 4"]);
    // Another manifest than the digest names.
    let (address, server) = liar(vec![(200, "", sized(9))]);
    scene.pull(&format!("oci://{address}/one@{zero}")).fails(&["gives other bytes"]);
    assert_eq!(asked(address, server).len(), 1);
    let errors = br#"{"errors":[{"code":"X\u001b[2J","message":"m"}]}"#;
    let (address, server) = liar(vec![(500, "", errors.to_vec())]);
    let said = scene.pull(&format!("oci://{address}/one:1")).fails(&["status 500", "\\u{1b}"]);
    assert!(!said.stderr.contains('\x1b'));
    assert_eq!(asked(address, server).len(), 1);
}

#[test]
fn a_token_is_fetched_and_goes_nowhere_else() {
    let scene = Scene::new();
    let wasm = fs::read(&scene.artifact).unwrap();
    let challenge = "WWW-Authenticate: Bearer realm=\"http://HERE/token\",service=\"s\",scope=\"repository:one:pull\"\r\n";
    let digest = digest_of(&wasm);
    let (elsewhere, other) = liar(vec![(200, "", wasm.clone())]);
    let redirect: &'static str = format!("Location: http://{elsewhere}/blob\r\n").leak();
    let (address, server) = liar(vec![
        (401, challenge, Vec::new()),
        (200, "", br#"{"token":"t0ken"}"#.to_vec()),
        (
            200,
            "",
            manifest("application/vnd.module.wasm.content.layer.v1+wasm", &digest, wasm.len()),
        ),
        (307, redirect, Vec::new()),
    ]);
    let done = scene.pull(&format!("oci://{address}/one:1")).ok();
    assert!(!done.stderr.contains("t0ken"));
    let asked = asked(address, server);
    assert!(asked[1].starts_with("GET /token?service=s&scope=repository"), "{}", asked[1]);
    assert!(!asked[0].to_lowercase().contains("authorization:"));
    assert!(asked[2].contains("Bearer t0ken") && asked[3].contains("Bearer t0ken"));
    let elsewhere = self::asked(elsewhere, other);
    assert!(!elsewhere[0].contains("t0ken"), "{}", elsewhere[0]);
}

#[test]
fn addresses_and_files_that_do_not_fit_are_named() {
    let scene = Scene::new();
    for (address, words) in [
        ("oci://localhost:1/one", "neither a tag nor a digest"),
        ("oci://localhost:1/One:1", "no repository"),
        ("oci://localhost:1/one@sha256:1", "no digest"),
    ] {
        scene.run(address).fails(&[words]);
        scene.pull(address).fails(&[words]);
        scene.own(call("inspect").arg(address)).fails(&[words]);
    }
    // Without its scheme an address looks like a file that is not there.
    for address in ["ghcr.io/team/one:1", "docker://ghcr.io/team/one:1"] {
        scene.run(address).fails(&["No such file", "is written oci://ghcr.io/team/one:1"]);
        scene.pull(address).fails(&["which is written oci://ghcr.io/team/one:1"]);
    }
    let zero = "0".repeat(64);
    scene
        .push(&format!("oci://localhost:1/one@sha256:{zero}"))
        .fails(&["give a tag and no digest"]);
    let none = scene.folder.write("none.wasm", b"\0asm\x01\0\0\0");
    scene
        .own(call("push").arg(none).arg("oci://localhost:1/one:1"))
        .fails(&["none.wasm", "not a rule"]);
    let mut pull = call("pull").arg("oci://localhost:1/one:1");
    pull.command.current_dir(scene.folder.path(""));
    scene.own(pull).fails(&["one.wasm: it is there already"]);
    run().arg("oci://localhost:1/one:1").fails(&["a rule among the inputs"]);
}

/// A registry that does not answer as one: each message has its host, and what to do.
#[test]
fn a_registry_that_cannot_be_asked_is_named_with_what_to_do() {
    let scene = Scene::new();
    // Bound and gone: nobody listens there.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let fails = |address: SocketAddr, words: &[&str]| {
        let host = address.to_string();
        let done = scene.pull(&format!("oci://{address}/one:1")).args(&["--cache", "none"]);
        let said = done.fails(&[&[&*host], words].concat()).stderr;
        assert!(!said.contains("io: "), "{said}");
    };
    fails(closed, &["nothing listens", "is the registry running"]);
    // One that takes a connection and says nothing of HTTP, and one that goes.
    for (answer, words) in [(&b"SSH-2.0-x\r\n\r\n"[..], "does not speak HTTP"), (b"", "closed")] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 16];
            let _ = stream.read(&mut head).and_then(|_| stream.write_all(answer));
        });
        fails(address, &[words]);
        server.join().unwrap();
    }
    // A place for tokens that is not there is not the registry.
    let challenge = format!(
        "WWW-Authenticate: Bearer realm=\"http://{closed}/token\",service=\"s\",scope=\"x\"\r\n"
    );
    let (address, server) = liar(vec![(401, challenge.leak(), Vec::new())]);
    let pull = scene.pull(&format!("oci://{address}/one:1"));
    pull.fails(&[&format!("nothing listens at {closed}")]);
    assert_eq!(asked(address, server).len(), 1);
}

fn digest_of(bytes: &[u8]) -> String {
    firstseen::registry::reference::BlobDigest::of(bytes).to_string()
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::prelude::BASE64_STANDARD.encode(bytes)
}

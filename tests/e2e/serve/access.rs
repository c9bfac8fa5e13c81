//! Who may send, and over what.
//!
//! In: requests with credentials and without, with TLS and without. Out: who is answered, and what is printed.

use super::client::{Server, request};
use super::events_of;
use crate::support::{Folder, call};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn without_a_known_credential_nothing_is_judged() {
    let folder = Folder::new();
    let file = folder.write("auth", format!("# senders\n{TOKEN}\nvector:a password of mine\n"));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let server = Server::start(&folder, &["--auth", file.to_str().unwrap()]);
    let body = events_of(&["ann"]);
    for path in ["/events", "/_bulk", "/x/_bulk", "/firehose", "/nothing"] {
        for headers in [
            &[][..],
            &[("Authorization", "Bearer 0123456789abcdef")],
            &[("Authorization", "Basic dmVjdG9yOng=")],
            &[("X-Amz-Firehose-Access-Key", "no")],
        ] {
            let answer = server.post_with(path, body.as_bytes(), headers);
            assert_eq!(answer.status, 401, "{path} {headers:?}");
            assert!(answer.header("www-authenticate").is_some());
            assert!(!answer.text().contains(TOKEN));
        }
    }
    assert_eq!((server.get("/metrics").status, server.get("/").status), (401, 401));
    assert_eq!((server.get("/healthz").status, server.get("/readyz").status), (200, 200));
    let bearer = format!("Bearer {TOKEN}");
    let authorized = [("Authorization", bearer.as_str())];
    let basic = format!("Basic {}", super::client::base64(b"vector:a password of mine"));
    let answer = server.post_with("/events", body.as_bytes(), &authorized);
    assert_eq!(answer.json()["alerts"], 1);
    // Which of two counts, not everybody on the way would say alike.
    for other in [bearer.as_str(), "Bearer 0123456789abcdef"] {
        let both = [authorized[0], ("Authorization", other)];
        let answer = server.post_with("/events", body.as_bytes(), &both);
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(answer.text().contains("send one header Authorization"), "{}", answer.text());
    }
    let again = server.post_with("/events", body.as_bytes(), &[("Authorization", &basic)]);
    assert_eq!(again.json()["repeats"], 1);
    let metrics = server.request("GET", "/metrics", b"", &authorized).text();
    assert!(metrics.contains("firstseen_requests_refused_total{status=\"401\"} 22"), "{metrics}");
    assert!(metrics.contains("firstseen_requests_refused_total{status=\"400\"} 2"), "{metrics}");
}

#[test]
fn a_file_of_credentials_that_keeps_nobody_out_is_refused() {
    let folder = Folder::new();
    for (text, said) in
        [("", "no credential"), ("short\n", "can be guessed"), ("# a\n", "no credential")]
    {
        let file = folder.write("auth", text);
        let errors = Server::try_start(&folder, &["--auth", file.to_str().unwrap()]).err().unwrap();
        assert!(errors.contains(said), "{errors}");
    }
    let file = folder.write("auth", format!("{TOKEN}\n"));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let server = Server::start(&folder, &["--auth", file.to_str().unwrap()]);
    let (_, errors) = server.signal(rustix::process::Signal::TERM);
    assert!(errors.contains("chmod 600"), "{errors}");
    for (address, words) in [
        ("nowhere", "no port; give HOST:PORT"),
        ("8080", "a port alone; give 127.0.0.1:8080"),
        ("http://127.0.0.1:0", "give HOST:PORT alone: 127.0.0.1:0"),
        ("192.0.2.1:0", "no address of this machine"),
    ] {
        call("serve")
            .args(&["--state", "s", "--listen", address])
            .fails(&[&format!("--listen {address}: "), words]);
    }
}

/// Whether openssl is here and did that.
fn openssl(args: &[&str]) -> bool {
    let mut command = Command::new("openssl");
    command.args(args).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// What is wrong with a certificate or its key is said in words, by the option, with what to give.
#[test]
fn certificates_that_cannot_be_used_say_why() {
    let folder = Folder::new();
    let path = |name: &str| folder.path(name).to_str().unwrap().to_owned();
    let pair = |name: &str| {
        let [key, cert] = ["key", "pem"].map(|ending| path(&format!("{name}.{ending}")));
        let subject = ["req", "-x509", "-subj", "/CN=x", "-days", "2", "-nodes", "-out", &cert];
        openssl(&[&subject[..], &["-newkey", "rsa:2048", "-keyout", &key]].concat())
    };
    if !pair("one") || !pair("other") {
        eprintln!("skipped: openssl is not installed");
        return;
    }
    let cut = std::fs::read_to_string(path("one.pem")).unwrap().replace("-----END", "");
    folder.write("cut.pem", cut);
    folder.write("damaged.pem", "-----BEGIN CERTIFICATE-----\n####\n-----END CERTIFICATE-----\n");
    folder.write("false.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    folder.write("text", "no PEM");
    for (cert, key, words) in [
        (
            "one.pem",
            "other.key",
            ["--tls-key", "other.key", "not the key of the first certificate"],
        ),
        ("text", "one.key", ["--tls-cert", "BEGIN CERTIFICATE", "there is none in it"]),
        ("one.pem", "text", ["--tls-key", "BEGIN PRIVATE KEY", "there is none in it"]),
        ("one.key", "one.key", ["--tls-cert", "BEGIN CERTIFICATE", "there is none in it"]),
        ("cut.pem", "one.key", ["--tls-cert", "cut.pem", "-----END is missing"]),
        ("damaged.pem", "one.key", ["--tls-cert", "damaged.pem", "is damaged"]),
        ("false.pem", "one.key", ["--tls-cert", "false.pem", "cannot be read"]),
        ("none.pem", "one.key", ["--tls-cert", "none.pem", "No such file"]),
    ] {
        let (cert, key) = (path(cert), path(key));
        let serve = call("serve").args(&["--state", "memory:", "--listen", "127.0.0.1:0"]);
        let done = serve.args(&["--tls-cert", &cert, "--tls-key", &key]).fails(&words);
        let bare = ["KeyMismatch", "no items", "Encoding", "Base64"];
        assert!(bare.iter().all(|word| !done.stderr.contains(word)), "{}", done.stderr);
    }
}

#[test]
fn credentials_are_read_again_and_what_does_not_load_keeps_the_old() {
    let folder = Folder::new();
    let file = folder.write("auth", format!("{TOKEN}\n"));
    let server = Server::start(&folder, &["--auth", file.to_str().unwrap()]);
    let other = "another token, long enough";
    let status = |token: &str| {
        let bearer = format!("Bearer {token}");
        server.request("GET", "/metrics", b"", &[("Authorization", &bearer)]).status
    };
    assert_eq!((status(TOKEN), status(other)), (200, 401));
    folder.write("auth", "short\n");
    server.send_hang_up();
    let bearer = format!("Bearer {TOKEN}");
    let page = || server.request("GET", "/metrics", b"", &[("Authorization", &bearer)]).text();
    while !page().contains("firstseen_reloads_total{result=\"failed\"} 1") {
        std::thread::yield_now();
    }
    assert_eq!((status(TOKEN), status(other)), (200, 401));
    folder.write("auth", format!("{other}\n"));
    server.send_hang_up();
    while status(other) != 200 {
        std::thread::yield_now();
    }
    assert_eq!(status(TOKEN), 401);
    let (_, errors) = server.signal(rustix::process::Signal::TERM);
    assert!(
        errors.contains("SIGHUP: nothing changes") && errors.contains("can be guessed"),
        "{errors}"
    );
    let again = errors.lines().filter(|line| line.contains("read again")).collect::<Vec<_>>();
    assert_eq!(again.len(), 1, "{errors}");
    assert!(again[0].contains("SIGHUP: rules and credentials were read again"), "{errors}");
    // One that is over, one summary.
    assert_eq!(errors.matches("alerts  ").count(), 1, "{errors}");
    assert_eq!(errors.matches("the state is empty").count(), 1, "{errors}");
}

/// Anybody may connect and say nothing, or half of something: others are answered meanwhile.
#[test]
fn idle_and_broken_connections_keep_nobody_out() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--max-connections", "40"]);
    let silent: Vec<_> = (0..20).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
    let mut half: Vec<_> = (0..10).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
    for stream in &mut half {
        stream
            .write_all(b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
            .unwrap();
    }
    assert_eq!(server.post("/events", events_of(&["ann"]).as_bytes()).json()["alerts"], 1);
    for garbage in [
        &b"\x16\x03\x01\x00"[..],
        b"GET\r\n\r\n",
        b"POST /events HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.write_all(garbage).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said);
        assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 4"), "{said:?}");
    }
    // More than there is room for are not taken, and it shows.
    let more: Vec<_> = (0..30).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
    drop((silent, half, more));
    loop {
        // Room comes back as soon as the others have ended.
        let Ok(answer) = request(server.address(), "GET", "/metrics", b"", &[]) else { continue };
        let page = answer.text();
        let refused =
            page.lines().find_map(|l| l.strip_prefix("firstseen_connections_refused_total "));
        assert!(refused.unwrap().parse::<u64>().unwrap() > 0, "{page}");
        break;
    }
}

#[test]
fn tls_is_spoken_and_a_new_certificate_is_taken() {
    let folder = Folder::new();
    let [key, cert] =
        ["key.pem", "cert.pem"].map(|name| folder.path(name).to_str().unwrap().to_owned());
    let certificate = |name: &str| {
        let subject = format!("/CN={name}");
        let key = ["-newkey", "rsa:2048", "-nodes", "-keyout", &key];
        openssl(
            &[&["req", "-x509", "-subj", &subject, "-out", &cert, "-days", "2"], &key[..]].concat(),
        )
    };
    if !certificate("first") {
        eprintln!("skipped: openssl is not installed");
        return;
    }
    let server = Server::start(&folder, &["--tls-cert", &cert, "--tls-key", &key]);
    let shown = || {
        let mut client = Command::new("openssl");
        client.args(["s_client", "-connect", server.address(), "-servername", "x", "-quiet"]);
        client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut client = client.spawn().unwrap();
        let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        client.stdin.as_mut().unwrap().write_all(request).unwrap();
        let done = client.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&done.stdout), text(&done.stderr))
    };
    let (page, peer) = shown();
    assert!(page.starts_with("HTTP/1.1 200") && peer.contains("first"), "{page}{peer}");
    assert!(certificate("second"));
    server.send_hang_up();
    loop {
        let (page, peer) = shown();
        if peer.contains("second") {
            break;
        }
        assert!(page.starts_with("HTTP/1.1 200"), "{page}{peer}");
    }
    // One that cannot be read leaves the other in force.
    std::fs::write(&cert, "nothing").unwrap();
    server.send_hang_up();
    while !shown().0.contains("firstseen_reloads_total{result=\"failed\"} 1") {}
    assert!(shown().1.contains("second"));
}

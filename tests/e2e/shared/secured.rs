//! Users, tenants and encryption.

use super::ALICE;
use super::cluster::Cluster;
use super::server::{KEEPS, Server, free_port, is_installed};
use crate::support::{Call, Folder, call, run, stack_lines};
use std::process::Command;

/// As docs/state.md has them.
const RIGHTS: [&str; 15] = [
    "ACL",
    "SETUSER",
    "acme",
    "on",
    ">s3cret",
    "resetkeys",
    "~{acme:*",
    "resetchannels",
    "-@all",
    "+@read",
    "+@write",
    "+@scripting",
    "+@connection",
    "+@transaction",
    "+config|get",
];

fn over(state: &str) -> Call {
    run()
        .arg("--state")
        .arg(state)
        .args(&["--state-wait", "0"])
        .arg("-")
        .pipe(stack_lines(&[ALICE]))
}

#[test]
fn a_user_reaches_its_own_tenant_alone() {
    let Some(server) = Server::start() else { return };
    assert_eq!(server.ask(&RIGHTS), "+OK");
    server.ask(&["ACL", "SETUSER", "default", "off"]);
    let folder = Folder::new();
    let password = folder.write("password", "s3cret\n");
    let settings = folder.write("settings.json", r#"{"tenant":"acme"}"#);
    let state = |options: &str| format!("{}?{options}", server.address());
    let in_file = format!("user=acme&password_file={}", password.display());
    let acme = || over(&state(&in_file)).arg("--settings").arg(&settings);
    assert_eq!(acme().ok().alert_ids(), ["a"]);
    let mut by_variable = over(&state("user=acme")).arg("--settings").arg(&settings);
    by_variable.command.env("FIRSTSEEN_STATE_PASSWORD", "s3cret");
    assert_eq!(by_variable.ok().count("repeats"), 1);
    // Without the right tenant, user or password.
    over(&state(&in_file)).fails(&["may not do what a state needs"]);
    let mut wrong = over(&state("user=acme")).arg("--settings").arg(&settings);
    wrong.command.env("FIRSTSEEN_STATE_PASSWORD", "wr0ng");
    let done = wrong.fails(&["does not take this user and password"]);
    assert!(!done.stderr.contains("wr0ng"), "{}", done.stderr);
    over(&server.address()).fails(&["does not take this user and password"]);
    let of_other = format!("tenant=other&{in_file}");
    over(&state(&of_other)).arg("--settings").arg(&settings).fails(&["have to agree"]);
    let stats = |options: &str| call("state").arg("stats").arg(state(options)).end();
    assert_eq!(stats(&format!("tenant=acme&{in_file}")).lines().len(), 1);
    assert_eq!(stats(&of_other).status, Some(2));
}

#[test]
fn a_user_reaches_its_own_tenant_at_a_cluster() {
    let Some(cluster) = Cluster::start() else { return };
    for node in &cluster.nodes {
        assert_eq!(node.ask(&[&RIGHTS[..], &["+cluster|slots"]].concat()), "+OK");
        node.ask(&["ACL", "SETUSER", "default", "off"]);
    }
    let folder = Folder::new();
    let settings = folder.write("settings.json", r#"{"tenant":"acme"}"#);
    let state = cluster.address().replace("://", "://acme:s3cret@");
    let acme = || over(&state).arg("--settings").arg(&settings);
    assert_eq!(acme().ok().alert_ids(), ["a"]);
    assert_eq!(acme().ok().count("repeats"), 1);
    let done = over(&state).fails(&["may not do what a state needs"]);
    assert!(!done.stderr.contains("s3cret"), "{}", done.stderr);
    over(&cluster.address()).fails(&["does not take this user and password"]);
}

/// A certificate authority, and a server's certificate by it.
fn certificates(folder: &Folder) -> bool {
    let openssl = |args: &[&str]| {
        let mut command = Command::new("openssl");
        command.args(args).current_dir(folder.path("."));
        command.output().is_ok_and(|output| output.status.success())
    };
    let key =
        ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3650"];
    let request = |args: &[&str]| openssl(&[&["req", "-x509"], &key[..], args].concat());
    let name = "subjectAltName=DNS:localhost";
    let usage = "basicConstraints=critical,CA:FALSE";
    request(&["-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem"])
        && request(&[
            "-subj",
            "/CN=server",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-addext",
            name,
            "-addext",
            usage,
        ])
}

#[test]
fn a_connection_is_encrypted_and_the_certificate_is_checked() {
    let folder = Folder::new();
    if !is_installed() || !certificates(&folder) {
        return;
    }
    let path = |name: &str| folder.path(name).display().to_string();
    let (port, cert, key, ca) =
        (free_port().to_string(), path("cert.pem"), path("key.pem"), path("ca.pem"));
    let options = [
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--tls-port",
        &port,
        "--tls-cert-file",
        &cert,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &ca,
        "--tls-auth-clients",
        "no",
    ];
    let Some(_server) = Server::start_with(&options) else { return };
    let state = |rest: &str| format!("rediss://localhost:{port}/2{rest}");
    let trusted = format!("?ca_file={ca}");
    assert_eq!(over(&state(&trusted)).ok().alert_ids(), ["a"]);
    assert_eq!(over(&state(&trusted)).ok().count("repeats"), 1);
    over(&state("")).fails(&["certificate"]);
    over(&format!("redis://localhost:{port}/2"))
        .fails(&["a server that has TLS is written rediss://"]);
    let plain = free_port().to_string();
    let Some(_plain) = Server::start_with(&[&KEEPS[..], &["--port", &plain]].concat()) else {
        return;
    };
    over(&format!("rediss://localhost:{plain}{trusted}"))
        .fails(&["without TLS is written redis://"]);
    over(&format!("rediss://127.0.0.1:{port}/2{trusted}")).fails(&["certificate"]);
    // Another database has another state.
    assert_eq!(over(&format!("rediss://localhost:{port}/3{trusted}")).ok().alert_ids(), ["a"]);
}

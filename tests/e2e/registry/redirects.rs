//! What a registry may make of a pull by its answers: where passwords go, and what is asked without TLS.
//!
//! In: registries on this machine that name other hosts, in redirections and for tokens. Out: faults that name those
//! hosts, and requests without a password. Hosts that are not on this machine are named and never asked.

use super::{PASSWORD, Scene, asked, base64, digest_of, liar, manifest};
use serde_json::json;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

/// A pull from a registry for which Docker's store has a password, and what is said on failure.
fn fails(scene: &Scene, registry: SocketAddr, words: &[&str]) {
    let auth = base64(format!("alice:{PASSWORD}").as_bytes());
    let config = json!({ "auths": { registry.to_string(): { "auth": auth } } });
    scene.folder.write("docker/config.json", config.to_string());
    let pull = scene.pull(&format!("oci://{registry}/one:1")).args(&["--cache", "none"]);
    let said = pull.fails(words).stderr;
    assert!(!said.contains(PASSWORD) && !said.contains(&auth), "{said}");
    assert!(!scene.folder.path("pulled.wasm").exists());
}

fn scene() -> Scene {
    let scene = Scene::new();
    fs::create_dir(scene.folder.path("docker")).unwrap();
    scene
}

/// The host behind a redirection does not say where the password of the registry is to be shown.
#[test]
fn a_login_is_for_the_registry_and_not_for_where_it_redirects_to() {
    let scene = scene();
    let wasm = fs::read(&scene.artifact).unwrap();
    let described = manifest("application/wasm", &digest_of(&wasm), wasm.len());
    let token = br#"{"token":"t0ken"}"#.to_vec();
    let (thief, at_thief) = liar(vec![(200, "", token.clone()), (200, "", token)]);
    let bearer: &'static str =
        format!("WWW-Authenticate: Bearer realm=\"http://{thief}/token\",service=\"s\"\r\n").leak();
    let basic = "WWW-Authenticate: Basic realm=\"r\"\r\n";
    for challenge in [bearer, basic, ""] {
        // Before the registry was shown a password, and after it.
        for is_known in [false, true] {
            let storage = vec![(401, challenge, Vec::new()), (401, challenge, Vec::new())];
            let (storage, at_storage) = liar(storage);
            let to: &'static str = format!("Location: http://{storage}/blob\r\n").leak();
            let login = is_known.then_some((401, basic, Vec::new()));
            let answers = [(200, "", described.clone()), (307, to, Vec::new())];
            let (registry, at_registry) = liar(login.into_iter().chain(answers).collect());
            let names = format!("{registry} redirects to {storage}, which wants a login");
            fails(&scene, registry, &[&names]);
            let shown = |request: &String| request.to_lowercase().contains("authorization:");
            let at_registry = asked(registry, at_registry);
            assert_eq!(at_registry.iter().any(shown), is_known, "{at_registry:?}");
            let at_storage = asked(storage, at_storage);
            assert_eq!(at_storage.len(), 1);
            assert!(!at_storage.iter().any(shown), "{at_storage:?}");
        }
    }
    assert_eq!(asked(thief, at_thief), Vec::<String>::new());
}

/// That a registry is on this machine says nothing of the hosts that it names.
#[test]
fn without_tls_only_this_machine_is_asked() {
    let scene = scene();
    let location = "Location: http://storage.invalid:8080/blob\r\n";
    let (registry, server) = liar(vec![(307, location, Vec::new())]);
    let words = [
        &*format!("{registry} redirects to an address without TLS"),
        "storage.invalid:8080",
        "--allow-http",
    ];
    fails(&scene, registry, &words);
    assert_eq!(asked(registry, server).len(), 1);
    let realm = "WWW-Authenticate: Bearer realm=\"http://tokens.invalid/token\",service=\"s\"\r\n";
    let (registry, server) = liar(vec![(401, realm, Vec::new())]);
    fails(&scene, registry, &["http://tokens.invalid/token", "not over TLS", "--allow-http"]);
    assert_eq!(asked(registry, server).len(), 1);
}

/// A registry without TLS may have its blobs at a host with it.
#[test]
fn a_registry_without_tls_redirects_to_tls() {
    let scene = scene();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let storage = listener.local_addr().unwrap();
    let hello = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut first = [0; 1];
        stream.read_exact(&mut first).unwrap();
        stream.write_all(b"HTTP/1.1 400 X\r\n\r\n").unwrap();
        first[0]
    });
    let to: &'static str = format!("Location: https://{storage}/blob\r\n").leak();
    let (registry, server) = liar(vec![(307, to, Vec::new())]);
    fails(&scene, registry, &[&storage.to_string(), "TLS"]);
    assert_eq!(hello.join().unwrap(), 22, "a handshake of TLS");
    assert_eq!(asked(registry, server).len(), 1);
}

//! The format is that of wasmsign2: files of the real program are taken, and ours are its own, byte for byte.
//!
//! In: `tests/fixtures/signatures`, whose README says how they were made. Out: whether both agree.

use firstseen_signature::{
    SignatureError, SigningKey, VerifyingKey, check, sign, signers, unsigned,
};
use std::path::Path;

#[allow(clippy::disallowed_methods)] // a test reads its fixtures
fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/signatures");
    std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn public(name: &str) -> VerifyingKey {
    VerifyingKey::read(&fixture(name)).unwrap()
}

fn secret(name: &str) -> SigningKey {
    SigningKey::read(&fixture(name)).unwrap()
}

#[test]
fn what_wasmsign2_signed_is_taken() {
    let [a, b, c] = ["a.pub", "b.pub", "c.pub.pem"].map(public);
    let all = [a.clone(), b.clone(), c.clone()];
    let by =
        |name: &str| check(&fixture(name), &all).map(|keys| keys.into_iter().cloned().collect());
    assert_eq!(by("by-a.wasm"), Ok(vec![a.clone()]));
    assert_eq!(by("by-a-without-id.wasm"), Ok(vec![a.clone()]));
    assert_eq!(by("by-a-and-b.wasm"), Ok(vec![a.clone(), b.clone()]));
    assert_eq!(by("plain.wasm"), Err(SignatureError::NotSigned));
    assert_eq!(by("parts-by-a.wasm"), Err(SignatureError::Parts));
    assert_eq!(by("split.wasm"), Err(SignatureError::NotSigned));
    let only = |name: &str, key: &VerifyingKey| {
        check(&fixture(name), std::slice::from_ref(key)).map_err(|e| e.to_string()).map(|_| ())
    };
    assert_eq!(only("by-a-and-b.wasm", &b), Ok(()));
    let other = only("by-a.wasm", &b).unwrap_err();
    assert!(other.contains(&format!("signed by key {}", a.id())), "{other}");
    assert!(only("by-a-without-id.wasm", &b).unwrap_err().contains("a key that it does not name"));
    assert_eq!(
        check(&fixture("by-a.wasm"), &[]),
        Err(SignatureError::OtherKeys(format!("key {}", a.id())))
    );
    let named = signers(&fixture("by-a-and-b.wasm"));
    assert_eq!(named, Ok(vec![Some(a.id()), Some(b.id())]));
    assert_eq!(signers(&fixture("by-a-without-id.wasm")), Ok(vec![None]));
}

/// Ed25519 gives one signature of a message, so equal bytes are what wasmsign2 itself verifies.
#[test]
fn what_is_signed_here_is_what_wasmsign2_writes() {
    let (plain, by_a, both) =
        (fixture("plain.wasm"), fixture("by-a.wasm"), fixture("by-a-and-b.wasm"));
    let (a, b) = (secret("a.key"), secret("b.key"));
    assert_eq!(sign(&plain, &a), Ok(Some(by_a.clone())));
    assert_eq!(sign(&by_a, &b), Ok(Some(both.clone())));
    // Once more changes nothing, also where the signature names no key.
    for signed in [&by_a, &both, &fixture("by-a-without-id.wasm")] {
        assert_eq!(sign(signed, &a), Ok(None));
        assert_eq!(unsigned(signed), plain);
    }
    assert_eq!(unsigned(&plain), plain);
    // Keys are what they are in its files.
    assert_eq!(a.to_bytes(), fixture("a.key"));
    assert_eq!(a.public().to_bytes(), fixture("a.pub"));
    let c = secret("c.pem");
    assert_eq!(c.to_pem().into_bytes(), fixture("c.pem"));
    assert_eq!(c.public().to_pem().into_bytes(), fixture("c.pub.pem"));
}

#[test]
fn what_does_not_fit_is_not_signed_over() {
    let (a, b) = (secret("a.key"), secret("b.key"));
    let mut changed = fixture("by-a.wasm");
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(sign(&changed, &b), Err(SignatureError::Changed));
    assert_eq!(sign(&fixture("parts-by-a.wasm"), &b), Err(SignatureError::Parts));
    assert_eq!(sign(b"\0asm\x0d\0\x01\0", &a), Err(SignatureError::NotAModule));
    assert_eq!(sign(b"", &a), Err(SignatureError::NotAModule));
    let mut many = fixture("plain.wasm");
    for seed in 1..=64 {
        many = sign(&many, &SigningKey::from_seed([seed; 32]).unwrap()).unwrap().unwrap();
    }
    assert_eq!(sign(&many, &a), Err(SignatureError::TooMany(64)));
    assert_eq!(signers(&many).unwrap().len(), 64);
}

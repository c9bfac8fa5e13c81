//! What a registry asks for before it answers: the header `WWW-Authenticate`.
//!
//! In: the header, untrusted. Out: how to ask for a token, or that a password is wanted. It connects to
//! nothing.

/// How a registry wants to be asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A user and a password, with each request.
    Basic,
    /// A token, from this address.
    Bearer { realm: String, service: String, scope: String },
}

/// Reads the header; nothing where it is of another kind.
pub(super) fn read(header: &str) -> Option<Challenge> {
    let (scheme, mut rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let (mut realm, mut service, mut scope) = (None, String::new(), String::new());
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_start_matches([',', ' ']).trim();
        let (value, after) = match after.strip_prefix('"') {
            Some(after) => after.split_once('"')?,
            None => after.split_once(',').unwrap_or((after, "")),
        };
        match name.to_ascii_lowercase().as_str() {
            "realm" => realm = Some(value.to_owned()),
            "service" => value.clone_into(&mut service),
            "scope" => value.clone_into(&mut scope),
            _ => {}
        }
        rest = after;
    }
    Some(Challenge::Bearer { realm: realm?, service, scope })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        assert_eq!(read("Basic realm=\"x\""), Some(Challenge::Basic));
        assert_eq!(read("basic"), Some(Challenge::Basic));
        let bearer = |realm: &str, service: &str, scope: &str| {
            let [realm, service, scope] = [realm, service, scope].map(str::to_owned);
            Some(Challenge::Bearer { realm, service, scope })
        };
        let header = r#"Bearer realm="https://a/token",service="a",scope="repository:x:pull,push""#;
        assert_eq!(read(header), bearer("https://a/token", "a", "repository:x:pull,push"));
        assert_eq!(read(r#"Bearer Scope="s", realm="r""#), bearer("r", "", "s"));
        assert_eq!(read("Bearer realm=r,service=s"), bearer("r", "s", ""));
        for none in ["", "Digest realm=\"x\"", "Bearer", "Bearer service=\"x\"", "Bearer realm=\"x"]
        {
            assert_eq!(read(none), None, "{none}");
        }
    }
}

//! Where a registry sends a request on to.
//!
//! In: an answer, the address that it is from. Out: the address that it names, whole. Without TLS none but from this
//! machine to itself, unless others were allowed. It asks nothing.

use super::reference::is_loopback;
use ureq::Body;
use ureq::http::header::LOCATION;
use ureq::http::{Response, Uri};

/// Where an answer says that what was asked for is.
pub(super) fn redirection(response: &Response<Body>) -> Option<&str> {
    let is_elsewhere = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = response.headers().get(LOCATION).filter(|_| is_elsewhere)?;
    location.to_str().ok()
}

/// Whether an address may be asked without TLS, where one of this host names it: what stays on this machine is read by
/// nobody on the way, and no host of the network sends a request into it.
pub(super) fn may_be_plain(from: &str, to: &Uri, allow_http: bool) -> bool {
    allow_http || (is_loopback(from) && to.host().is_some_and(is_loopback))
}

/// The whole address of a place that the one at `from` names.
pub(super) fn redirected(
    from: &str,
    location: &str,
    allow_http: bool,
) -> Result<String, ureq::Error> {
    let base: Uri = from.parse().map_err(|_| ureq::Error::RedirectFailed)?;
    let scheme = base.scheme_str().unwrap_or("https");
    let authority = base.authority().map_or("", |authority| authority.as_str());
    let whole = match location {
        _ if location.starts_with("//") => format!("{scheme}:{location}"),
        _ if location.starts_with('/') => format!("{scheme}://{authority}{location}"),
        _ => location.to_owned(),
    };
    let to: Uri = whole.parse().map_err(|_| ureq::Error::RedirectFailed)?;
    match to.scheme_str() {
        Some("https") => Ok(whole),
        Some("http") if may_be_plain(base.host().unwrap_or_default(), &to, allow_http) => Ok(whole),
        Some("http") => Err(ureq::Error::RequireHttpsOnly(whole)),
        _ => Err(ureq::Error::RedirectFailed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::client::{Access, MAX_REDIRECTIONS, RegistryClient};
    use crate::registry::reference::RegistryReference;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::path::Path;
    use ureq::http::header::HeaderValue;

    #[test]
    fn places_are_whole_addresses_and_over_tls() {
        let from = "https://here:1/v2/a";
        let whole = |location| redirected(from, location, false).ok();
        assert_eq!(whole("/b?c").as_deref(), Some("https://here:1/b?c"));
        assert_eq!(whole("//there/b").as_deref(), Some("https://there/b"));
        assert_eq!(whole("https://there:2/b").as_deref(), Some("https://there:2/b"));
        assert_eq!(whole("b"), None);
        assert_eq!(whole("ftp://there/b"), None);
        assert_eq!(whole("https://a b"), None);
        let plain = |allow_http| redirected(from, "http://there/b", allow_http);
        assert!(matches!(plain(false), Err(ureq::Error::RequireHttpsOnly(_))));
        assert!(plain(true).is_ok());
    }

    #[test]
    fn without_tls_this_machine_names_itself_alone() {
        let is_refused = |from, location, allow_http| {
            matches!(redirected(from, location, allow_http), Err(ureq::Error::RequireHttpsOnly(_)))
        };
        for from in ["http://127.0.0.1:1/a", "http://localhost/a", "http://[::1]:1/a"] {
            for own in [
                "http://127.0.0.2:9/b",
                "http://[::1]/b",
                "http://localhost:9/b",
                "/b",
                "//localhost/b",
            ] {
                assert!(redirected(from, own, false).is_ok(), "{from} {own}");
            }
            for other in [
                "http://there/b",
                "//there/b",
                "http://127.0.0.1@there/b",
                "http://127.0.0.1:80@there/b",
                "http://127.0.0.1.there/b",
                "http://localhost.there:9/b",
                "http://10.0.0.1/b",
                "http://[::2]/b",
            ] {
                assert!(is_refused(from, other, false), "{from} {other}");
                assert!(!is_refused(from, other, true), "{from} {other}");
            }
            assert!(redirected(from, "https://there/b", false).is_ok());
        }
        // A host of the network sends nothing into this machine.
        assert!(is_refused("https://there/a", "http://127.0.0.1/b", false));
    }

    /// Answers requests one after the other with a redirection to these places.
    fn redirecting(places: Vec<String>) -> (String, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let answer = move |place: String| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                assert_eq!(stream.read(&mut byte).unwrap(), 1);
                request.push(byte[0]);
            }
            let head = "HTTP/1.1 307 Temporary Redirect\r\nConnection: close\r\nContent-Length: 0";
            write!(stream, "{head}\r\nLocation: {place}\r\n\r\n").unwrap();
            String::from_utf8(request).unwrap()
        };
        (host, std::thread::spawn(move || places.into_iter().map(answer).collect()))
    }

    #[test]
    fn a_fault_behind_a_redirection_names_the_host_that_has_it() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (host, requests) = redirecting(vec!["/v2/there".into(), format!("http://{closed}/b")]);
        let reference = RegistryReference::read(Path::new(&format!("oci://{host}/team/one:1")));
        let mut client = RegistryClient::new(&reference.unwrap(), Access::Pull, false).unwrap();
        client.authorization = Some(HeaderValue::from_static("Basic secret"));
        let error = client.manifest("1").unwrap_err().to_string();
        assert!(error.starts_with(&format!("nothing listens at {closed} ")), "{error}");
        let requests = requests.join().unwrap();
        assert!(requests[0].starts_with("GET /v2/team/one/manifests/1 "), "{requests:?}");
        assert!(requests[1].starts_with("GET /v2/there "), "{requests:?}");
        let shows = |request: &String| request.contains("secret");
        assert_eq!(requests.iter().map(shows).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn redirections_come_to_an_end() {
        let (host, requests) = redirecting(vec!["/again".into(); MAX_REDIRECTIONS + 1]);
        let reference = RegistryReference::read(Path::new(&format!("oci://{host}/team/one:1")));
        let mut client = RegistryClient::new(&reference.unwrap(), Access::Pull, false).unwrap();
        let error = client.manifest("1").unwrap_err().to_string();
        assert!(error.contains("redirects in a circle"), "{error}");
        requests.join().unwrap();
    }
}

//! An address that names several servers, taken apart.
//!
//! In: `redis+cluster://USER@HOST:PORT,HOST:PORT?...` or `redis+sentinel://HOST,HOST/MASTER/DATABASE?...`. Out: the same
//! as the address of the first server alone, the other servers, and the master's name. What is one server's
//! address passes as it is. No error holds what was given.

use redis::{ConnectionAddr, IntoConnectionInfo};

pub(super) const SENTINEL_PORT: u16 = 26379;

/// What stands at the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerForm {
    One,
    Cluster,
    Sentinel,
}

impl ServerForm {
    /// What an address of this kind looks like.
    pub(super) fn form(self) -> &'static str {
        match self {
            Self::One => {
                "write redis://HOST:PORT/DATABASE, rediss:// with TLS, or redis+unix:///PATH?db=N; what \
                 is not a letter or a digit in a password is written as %2F and the like"
            }
            Self::Cluster => {
                "write redis+cluster://HOST:PORT,HOST:PORT or rediss+cluster:// with TLS, and one user \
                 before the first host; what is not a letter or a digit in a password is written as \
                 %2F and the like"
            }
            Self::Sentinel => {
                "write redis+sentinel://HOST:PORT,HOST:PORT/MASTER/DATABASE or rediss+sentinel:// with \
                 TLS, and the user of the master before the first host; what is not a letter or a digit \
                 in a password is written as %2F and the like"
            }
        }
    }
}

/// An address taken apart.
#[derive(Debug)]
pub(super) struct SplitAddress {
    pub(super) kind: ServerForm,
    /// The address of the first server, as if it were the only one.
    pub(super) first: String,
    /// SplitAddress and ports.
    pub(super) others: Vec<(String, u16)>,
    /// What sentinels call the master.
    pub(super) master: Option<String>,
}

impl SplitAddress {
    /// Takes an address apart.
    ///
    /// # Errors
    /// What is wrong with it, without what was given.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let one = |first: &str| Self {
            kind: ServerForm::One,
            first: first.to_owned(),
            others: Vec::new(),
            master: None,
        };
        let Some((scheme, rest)) = text.split_once("://") else { return Ok(one(text)) };
        let scheme = scheme.to_ascii_lowercase();
        let (kind, scheme) = match scheme.split_once('+') {
            Some((scheme, "cluster")) => (ServerForm::Cluster, scheme),
            Some((scheme, "sentinel")) => (ServerForm::Sentinel, scheme),
            _ => return Ok(one(text)),
        };
        let fault = || format!("no address: {}", kind.form());
        let (authority, behind) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, _)) if user.contains('@') => return Err(fault()),
            Some((user, hosts)) => (format!("{user}@"), hosts),
            None => (String::new(), authority),
        };
        let (path, options) = behind.split_at(behind.find(['?', '#']).unwrap_or(behind.len()));
        let (master, path) = match kind {
            ServerForm::Sentinel => {
                let path = path.strip_prefix('/').unwrap_or_default();
                let (master, database) = path.split_once('/').unwrap_or((path, ""));
                // As sentinels ask of a name.
                let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
                if master.is_empty() || !master.bytes().all(is_plain) {
                    return Err(format!("no name of a master: {}", kind.form()));
                }
                (Some(master.to_owned()), format!("/{database}"))
            }
            _ => (None, path.to_owned()),
        };
        let mut hosts = hosts.split(',');
        let first = hosts.next().filter(|host| !host.is_empty()).ok_or_else(fault)?;
        let first = format!("{scheme}://{user}{first}{path}{options}");
        let others = hosts.map(|host| host_of(kind, host).ok_or_else(fault));
        Ok(Self { kind, first, others: others.collect::<Result<_, _>>()?, master })
    }
}

/// A host and its port.
fn host_of(kind: ServerForm, text: &str) -> Option<(String, u16)> {
    let url = redis::parse_redis_url(&format!("redis://{text}"))?;
    let has_port = url.port().is_some();
    if text.contains(['/', '?', '#', '@']) {
        return None;
    }
    let info = url.into_connection_info().ok()?;
    let ConnectionAddr::Tcp(host, port) = info.addr() else { return None };
    let port = if kind == ServerForm::Sentinel && !has_port { SENTINEL_PORT } else { *port };
    Some((host.clone(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, Vec<(String, u16)>, Option<String>) {
        let hosts = SplitAddress::read(text).unwrap();
        (hosts.first, hosts.others, hosts.master)
    }

    #[test]
    fn several_servers_are_one_and_others() {
        assert_eq!(
            read("rediss+cluster://ann:p%2Fw@a:7000,b,[::1]:7002?tenant=x"),
            (
                "rediss://ann:p%2Fw@a:7000?tenant=x".to_owned(),
                vec![("b".to_owned(), 6379), ("::1".to_owned(), 7002)],
                None
            )
        );
        assert_eq!(
            read("REDIS+Sentinel://a,b,c:1/my.master/2"),
            (
                "redis://a/2".to_owned(),
                vec![("b".to_owned(), 26379), ("c".to_owned(), 1)],
                Some("my.master".to_owned())
            )
        );
        assert_eq!(read("redis://h/1").0, "redis://h/1");
        assert_eq!(read("redis+unix:///s").0, "redis+unix:///s");
    }

    #[test]
    fn what_is_none_is_refused_without_the_secret() {
        for text in [
            "redis+cluster://",
            "redis+cluster://u:secret@,b",
            "redis+cluster://a,,b",
            "redis+cluster://a,b:secret",
            "redis+cluster://u:secret@a,u:secret@b",
            "redis+sentinel://u:secret@a",
            "redis+sentinel://u:secret@a/",
            "redis+sentinel://u:secret@a/m%20n",
        ] {
            let fault = SplitAddress::read(text).unwrap_err();
            assert!(!fault.contains("secret"), "{text}: {fault}");
        }
    }
}

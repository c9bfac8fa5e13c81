//! Where a server is, who asks, and which tenant is meant.
//!
//! In: `redis://USER:PASSWORD@HOST:PORT/DATABASE?tenant=NAME`, files that it names. Out: how to connect. No
//! error holds what was given: there may be a password in it.

use crate::escape::escaped;
use crate::state::shared::address_name;
use crate::state::{SharedOptions, StateError};
use redis::{Client, IntoConnectionInfo, TlsCertificates};
use std::fs;

/// The options behind `?`.
const OPTIONS: &str = "tenant, user, password_file, ca_file, and db of a unix socket";

/// A server, and the tenant there.
pub(super) struct ServerAddress {
    /// For messages.
    pub(super) name: String,
    pub(super) tenant: String,
    pub(super) client: Client,
}

impl ServerAddress {
    /// Reads an address and the files that it names.
    ///
    /// # Errors
    /// What is wrong with it, without what was given.
    pub(super) fn read(text: &str, options: &SharedOptions) -> Result<Self, StateError> {
        let name = address_name(text);
        read(text, options, &name)
            .map_err(|reason| StateError::Failed { path: name.clone(), reason })
    }
}

fn read(text: &str, options: &SharedOptions, name: &str) -> Result<ServerAddress, String> {
    let form = "write redis://HOST:PORT/DATABASE, rediss:// with TLS, or redis+unix:///PATH?db=N; what \
                is not a letter or a digit in a password is written as %2F and the like";
    let mut url = redis::parse_redis_url(text).ok_or_else(|| format!("no address: {form}"))?;
    let is_tls = matches!(url.scheme(), "rediss" | "valkeys");
    let is_unix = url.scheme().ends_with("+unix");
    if url.fragment().is_some() {
        return Err("nothing may stand behind `#`; certificates are always checked".to_owned());
    }
    let (mut tenant, mut user, mut password, mut ca, mut db) = (None, None, None, None, None);
    for (option, value) in url.query_pairs() {
        let value = value.into_owned();
        let of_file = |option: &str| -> Result<Vec<u8>, String> {
            fs::read(&value).map_err(|e| format!("{option} {}: {e}", escaped(&value)))
        };
        match &*option {
            "tenant" => tenant = Some(value),
            "user" => user = Some(value),
            "db" if is_unix => db = Some(value),
            "password_file" => {
                let text = String::from_utf8(of_file("password_file")?);
                let text = text.map_err(|_| "password_file: it is not UTF-8".to_owned())?;
                password = Some(text.trim_end_matches(['\r', '\n']).to_owned());
            }
            "ca_file" if is_tls => ca = Some(of_file("ca_file")?),
            "ca_file" => return Err("ca_file is for rediss://".to_owned()),
            "pass" | "password" => {
                return Err(
                    "a password stands behind the user, in a file (password_file=PATH), or in \
                            the variable FIRSTSEEN_STATE_PASSWORD"
                        .to_owned(),
                );
            }
            other => {
                return Err(format!("no option `{}`; there are {OPTIONS}", escaped(other)));
            }
        }
    }
    url.set_query(db.map(|db| format!("db={db}")).as_deref());
    let info = url.into_connection_info().map_err(|e| {
        let detail = e.to_string();
        // The crate names the part alone; what is not plain is not shown.
        let detail = detail.split(['-', ':']).next().unwrap_or_default().trim().to_owned();
        format!("no address ({}): {form}", escaped(&detail))
    })?;
    let mut settings = info.redis_settings().clone().set_skip_set_lib_name();
    if settings.db() < 0 {
        return Err("a database has a number from 0 on".to_owned());
    }
    if let Some(user) = user {
        settings = settings.set_username(user);
    }
    let given = settings.password().map(str::to_owned);
    if given.is_some() && password.is_some() {
        return Err("a password in the address and a password_file: give one of them".to_owned());
    }
    if let Some(password) = given.or(password).or_else(|| options.password.clone()) {
        settings = settings.set_password(password);
    } else if settings.username().is_some() {
        return Err("a user without a password: give password_file=PATH, or the variable \
                    FIRSTSEEN_STATE_PASSWORD"
            .to_owned());
    }
    let tenant = the_tenant(tenant, options.tenant.as_deref())?;
    let info = info.set_redis_settings(settings);
    let client = if is_tls {
        // The first one stays, which is this one too.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert: ca })
    } else {
        Client::open(info)
    };
    let client = client.map_err(|e| escaped(&e.to_string()).into_owned())?;
    let name = format!("{name}, tenant {tenant}");
    Ok(ServerAddress { name, tenant, client })
}

fn the_tenant(given: Option<String>, of_run: Option<&str>) -> Result<String, String> {
    let tenant = match (given, of_run) {
        (Some(given), Some(of_run)) if given != of_run => {
            return Err(format!(
                "tenant={} in the address, and {} in the settings: they have to agree",
                escaped(&given),
                escaped(of_run)
            ));
        }
        (Some(given), _) => given,
        (None, of_run) => of_run.unwrap_or("default").to_owned(),
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if tenant.is_empty() || tenant.len() > 64 || !tenant.bytes().all(plain) {
        return Err("tenant: use 1 to 64 letters, digits, `.`, `_` or `-`".to_owned());
    }
    Ok(tenant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn options(tenant: Option<&str>) -> SharedOptions {
        SharedOptions {
            tenant: tenant.map(str::to_owned),
            password: None,
            allow_weak: false,
            wait: None,
            is_stopped: Box::new(|| false),
            tell: Box::new(|_| {}),
            now_ms: || 0,
            instant: Instant::now,
        }
    }

    fn fault(text: &str) -> String {
        let fault = ServerAddress::read(text, &options(Some("acme"))).err();
        fault.unwrap_or_else(|| panic!("{text} is taken")).to_string()
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secret() {
        for (text, word) in [
            ("redis://u:secret@h:x/0", "no address"),
            ("redis://u:secret@h/one", "no address"),
            ("redis://u:secret@h/-1", "database"),
            ("redis://u:secr/et@h/0", "no address"),
            ("redis://u:secret@h?tenant=other", "have to agree"),
            ("redis://u:secret@h?pass=secret", "FIRSTSEEN_STATE_PASSWORD"),
            ("redis://u:secret@h?ca_file=/x", "rediss://"),
            ("rediss://u:secret@h#insecure", "always checked"),
            ("redis://u:secret@h?password_file=/nowhere/at/all", "/nowhere/at/all"),
            ("redis://h?user=u", "password_file"),
            ("redis://h?colour=secret", "`colour`"),
        ] {
            let fault = fault(text);
            assert!(fault.contains(word), "{text}: {fault}");
            assert!(!fault.contains("secret") && !fault.contains("secr"), "{fault}");
        }
    }

    #[test]
    fn an_address_has_all_its_parts() {
        let read = |text: &str| ServerAddress::read(text, &options(None)).unwrap();
        let one = read("redis://ann:p%2Fw@h:7000/3?tenant=a.b");
        assert_eq!(
            (one.name.as_str(), one.tenant.as_str()),
            ("redis://h:7000/3, tenant a.b", "a.b")
        );
        let settings = one.client.get_connection_info().redis_settings();
        assert_eq!((settings.username(), settings.password()), (Some("ann"), Some("p/w")));
        assert_eq!(settings.db(), 3);
        let two = read("redis+unix:///run/r.sock?db=2");
        assert_eq!(
            (two.tenant.as_str(), two.client.get_connection_info().redis_settings().db()),
            ("default", 2)
        );
        for wrong in ["a:b", "", "a}b", "a*"] {
            assert!(the_tenant(Some(wrong.to_owned()), None).is_err());
        }
    }
}

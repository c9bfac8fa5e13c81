//! Where servers are, who asks, and which tenant is meant.
//!
//! In: `redis://USER:PASSWORD@HOST:PORT/DATABASE?tenant=NAME`, one that names several servers, files that it names.
//! Out: how to connect. No error holds what was given: there may be a password in it.

use super::hosts::{SENTINEL_PORT, ServerForm, SplitAddress};
use crate::escape::escaped;
use crate::state::shared::address_name;
use crate::state::{SharedOptions, StateError};
use redis::{Client, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo, TlsCertificates};
use std::borrow::Cow;
use std::fs;

/// The options behind `?`.
const OPTIONS: &str = "tenant, user, password_file, ca_file, db of a unix socket, and sentinel_user and \
                       sentinel_password_file of sentinels";

/// Servers, and the tenant there.
pub(super) struct ServerAddress {
    /// For messages.
    pub(super) name: String,
    pub(super) tenant: String,
    pub(super) servers: ServerPlace,
    /// How any of the servers that are told of later is spoken to.
    pub(super) node: NodeSettings,
}

/// Where the servers are.
pub(super) enum ServerPlace {
    /// One.
    One(Box<Client>),
    /// The masters of a cluster, which any of these servers names.
    Cluster(Vec<Client>),
    /// The master that these sentinels know by this name.
    Sentinels(Vec<Client>, String),
}

/// How a server is spoken to.
pub(super) struct NodeSettings {
    settings: RedisConnectionInfo,
    ca: Option<Vec<u8>>,
    is_tls: bool,
}

impl NodeSettings {
    pub(super) fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// A server at this place.
    ///
    /// # Errors
    /// A certificate that is none.
    pub(super) fn client(&self, host: &str, port: u16) -> Result<Client, String> {
        let host = host.to_owned();
        self.client_at(if self.is_tls {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        })
    }

    fn client_at(&self, place: ConnectionAddr) -> Result<Client, String> {
        let info = place.into_connection_info();
        let client = info.and_then(|info| {
            let info = info.set_redis_settings(self.settings.clone());
            if !self.is_tls {
                return Client::open(info);
            }
            // The first one stays, which is this one too.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let root_cert = self.ca.clone();
            Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert })
        });
        client.map_err(|e| escaped(&e.to_string()).into_owned())
    }
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

/// What stands behind `?`.
#[derive(Default)]
struct Options {
    tenant: Option<String>,
    user: Option<String>,
    password: Option<String>,
    ca: Option<Vec<u8>>,
    db: Option<String>,
    sentinel_user: Option<String>,
    sentinel_password: Option<String>,
}

impl Options {
    fn read<'u>(
        given: impl Iterator<Item = (Cow<'u, str>, Cow<'u, str>)>,
        kind: ServerForm,
        scheme: &str,
    ) -> Result<Self, String> {
        let is_tls = is_tls(scheme);
        let mut options = Self::default();
        for (option, value) in given {
            let value = value.into_owned();
            match &*option {
                "tenant" => options.tenant = Some(value),
                "user" => options.user = Some(value),
                "db" if scheme.ends_with("+unix") => options.db = Some(value),
                "password_file" => options.password = Some(password_in(&option, &value)?),
                "sentinel_user" if kind == ServerForm::Sentinel => {
                    options.sentinel_user = Some(value)
                }
                "sentinel_password_file" if kind == ServerForm::Sentinel => {
                    options.sentinel_password = Some(password_in(&option, &value)?);
                }
                "ca_file" if is_tls => options.ca = Some(file_of(&option, &value)?),
                "ca_file" => return Err("ca_file is for rediss://".to_owned()),
                "pass" | "password" => {
                    return Err("a password stands behind the user, in a file \
                                (password_file=PATH), or in the variable \
                                FIRSTSEEN_STATE_PASSWORD"
                        .to_owned());
                }
                other => {
                    return Err(format!("no option `{}`; there are {OPTIONS}", escaped(other)));
                }
            }
        }
        Ok(options)
    }
}

fn is_tls(scheme: &str) -> bool {
    matches!(scheme, "rediss" | "valkeys")
}

fn file_of(option: &str, path: &str) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|e| format!("{option} {}: {e}", escaped(path)))
}

fn password_in(option: &str, path: &str) -> Result<String, String> {
    let text = String::from_utf8(file_of(option, path)?);
    let text = text.map_err(|_| format!("{option}: it is not UTF-8"))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn read(text: &str, options: &SharedOptions, name: &str) -> Result<ServerAddress, String> {
    let hosts = SplitAddress::read(text)?;
    let form = hosts.kind.form();
    let mut url =
        redis::parse_redis_url(&hosts.first).ok_or_else(|| format!("no address: {form}"))?;
    let is_tls = is_tls(url.scheme());
    if url.fragment().is_some() {
        return Err("nothing may stand behind `#`; certificates are always checked".to_owned());
    }
    let given = Options::read(url.query_pairs(), hosts.kind, url.scheme())?;
    url.set_query(given.db.map(|db| format!("db={db}")).as_deref());
    let has_port = url.port().is_some();
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
    if hosts.kind == ServerForm::Cluster && settings.db() != 0 {
        return Err("a cluster has no database but 0".to_owned());
    }
    if let Some(user) = given.user {
        settings = settings.set_username(user);
    }
    let in_address = settings.password().map(str::to_owned);
    if in_address.is_some() && given.password.is_some() {
        return Err("a password in the address and a password_file: give one of them".to_owned());
    }
    if let Some(password) = in_address.or(given.password).or_else(|| options.password.clone()) {
        settings = settings.set_password(password);
    } else if settings.username().is_some() {
        return Err("a user without a password: give password_file=PATH, or the variable \
                    FIRSTSEEN_STATE_PASSWORD"
            .to_owned());
    }
    let tenant = the_tenant(given.tenant, options.tenant.as_deref())?;
    let node = NodeSettings { settings, ca: given.ca, is_tls };
    let servers = match hosts.kind {
        ServerForm::One => ServerPlace::One(Box::new(node.client_at(info.addr().clone())?)),
        ServerForm::Cluster => ServerPlace::Cluster(hosts.clients(info.addr(), has_port, &node)?),
        ServerForm::Sentinel => {
            let mut settings = RedisConnectionInfo::default().set_skip_set_lib_name();
            if let Some(password) = given.sentinel_password {
                settings = settings.set_password(password);
                if let Some(user) = given.sentinel_user {
                    settings = settings.set_username(user);
                }
            } else if given.sentinel_user.is_some() {
                return Err("a user of sentinels without a password: give \
                            sentinel_password_file=PATH"
                    .to_owned());
            }
            let sentinel = NodeSettings { settings, ca: node.ca.clone(), is_tls };
            let sentinels = hosts.clients(info.addr(), has_port, &sentinel)?;
            ServerPlace::Sentinels(sentinels, hosts.master.unwrap_or_default())
        }
    };
    let name = format!("{name}, tenant {tenant}");
    Ok(ServerAddress { name, tenant, servers, node })
}

impl SplitAddress {
    /// All servers that the address names; the first one was read with the address.
    fn clients(
        &self,
        first: &ConnectionAddr,
        has_port: bool,
        node: &NodeSettings,
    ) -> Result<Vec<Client>, String> {
        let is_sentinel = self.kind == ServerForm::Sentinel;
        let (ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. }) = first
        else {
            return Err(format!("no address: {}", self.kind.form()));
        };
        let port = if is_sentinel && !has_port { SENTINEL_PORT } else { *port };
        let mut clients = vec![node.client(host, port)?];
        for (host, port) in &self.others {
            clients.push(node.client(host, *port)?);
        }
        Ok(clients)
    }
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
mod tests;

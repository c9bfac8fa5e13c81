//! Requests to one repository of a registry.
//!
//! In: a reference, bytes to push. Out: the bytes of manifests and blobs, no more than was asked for, or why not.
//! Nothing that comes back is trusted: whoever asks compares digests. No message holds a password or a
//! token, and neither goes to another host than the one that it is for.

use super::challenge::{self, Challenge};
use super::credentials::{self, Credential};
use super::fault::{host_of, unanswered};
use super::manifest::MANIFEST;
use super::redirect::{may_be_plain, redirected, redirection};
use super::reference::{BlobDigest, RegistryReference};
use crate::escape::escaped;
use anyhow::{anyhow, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use ureq::http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION, WWW_AUTHENTICATE,
};
use ureq::http::{Method, Request, Response, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};

/// No answer beside a blob is larger.
const MAX_ANSWER: u64 = 4 << 20;
/// How much of what a registry says is shown.
const MAX_SHOWN: usize = 300;
/// More of them are a circle.
pub(super) const MAX_REDIRECTIONS: usize = 5;
const TO_CONNECT: Duration = Duration::from_secs(10);
/// For a whole request, a blob of the largest size included.
const FOR_A_REQUEST: Duration = Duration::from_secs(600);
/// Between two pieces of an answer.
const FOR_A_READ: Duration = Duration::from_secs(60);

/// What is done to a repository: its tokens are for that alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Pull,
    Push,
}

/// A repository.
pub(super) struct RegistryClient {
    /// Follows no redirection: where one leads is known here, for what is said of it.
    agent: Agent,
    /// `https://HOST`.
    base: String,
    host: String,
    repository: String,
    access: Access,
    /// Without it only what is on this machine is asked without TLS.
    allow_http: bool,
    pub(super) authorization: Option<HeaderValue>,
}

/// An answer, with its body.
struct Answer {
    status: u16,
    location: Option<String>,
    body: Vec<u8>,
}

impl RegistryClient {
    /// Connects to nothing yet. Other hosts than this machine are asked over TLS, unless that was allowed not to be.
    pub(super) fn new(
        reference: &RegistryReference,
        access: Access,
        allow_http: bool,
    ) -> anyhow::Result<Self> {
        let is_plain = allow_http || reference.is_loopback();
        // Docker's registry has another name than its images.
        let (host, official) = match reference.host.as_str() {
            "docker.io" => ("registry-1.docker.io", !reference.repository.contains('/')),
            host => (host, false),
        };
        let scheme = if is_plain { "http" } else { "https" };
        let prefix = if official { "library/" } else { "" };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .https_only(!is_plain)
            // A registry over plain HTTP may have its blobs at a host over TLS.
            .tls_config(tls(!is_plain)?)
            .timeout_connect(Some(TO_CONNECT))
            .timeout_global(Some(FOR_A_REQUEST))
            .timeout_per_read(Some(FOR_A_READ))
            .user_agent(concat!("firstseen/", env!("CARGO_PKG_VERSION")));
        Ok(Self {
            agent: config.build().new_agent(),
            base: format!("{scheme}://{host}"),
            host: reference.host.clone(),
            repository: format!("{prefix}{}", reference.repository),
            access,
            allow_http,
            authorization: None,
        })
    }

    /// The bytes of a manifest, by a tag or a digest.
    pub(super) fn manifest(&mut self, wanted: &str) -> anyhow::Result<Vec<u8>> {
        let address = self.address(&format!("manifests/{wanted}"));
        let answer = self.call(Method::GET, &address, MANIFEST, &[], MAX_ANSWER)?;
        self.expect(answer, &[200]).map(|answer| answer.body)
    }

    /// The bytes of a blob, of which there may not be more than this.
    pub(super) fn blob(&mut self, digest: &BlobDigest, size: u64) -> anyhow::Result<Vec<u8>> {
        let address = self.address(&format!("blobs/{digest}"));
        let answer = self.call(Method::GET, &address, "", &[], size)?;
        self.expect(answer, &[200]).map(|answer| answer.body)
    }

    /// Pushes a blob, unless it is there.
    pub(super) fn push_blob(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let digest = BlobDigest::of(bytes);
        let address = self.address(&format!("blobs/{digest}"));
        if self.call(Method::HEAD, &address, "", &[], 0)?.status == 200 {
            return Ok(());
        }
        let begin = self.address("blobs/uploads/");
        let answer = self.call(Method::POST, &begin, "", &[], MAX_ANSWER)?;
        let answer = self.expect(answer, &[202])?;
        let location =
            answer.location.ok_or_else(|| anyhow!("the registry names no place for a blob"))?;
        let to = self.upload_address(&location, &digest)?;
        let answer = self.call(Method::PUT, &to, "application/octet-stream", bytes, MAX_ANSWER)?;
        self.expect(answer, &[201]).map(|_| ())
    }

    /// Pushes a manifest under a tag.
    pub(super) fn push_manifest(&mut self, tag: &str, manifest: &[u8]) -> anyhow::Result<()> {
        let address = self.address(&format!("manifests/{tag}"));
        let answer = self.call(Method::PUT, &address, MANIFEST, manifest, MAX_ANSWER)?;
        self.expect(answer, &[201]).map(|_| ())
    }

    fn address(&self, below: &str) -> String {
        format!("{}/v2/{}/{below}", self.base, self.repository)
    }

    /// Where a blob goes, as the registry says: on its own host alone, as the password goes there too.
    fn upload_address(&self, location: &str, digest: &BlobDigest) -> anyhow::Result<String> {
        let whole = match location.starts_with('/') {
            true => format!("{}{location}", self.base),
            false => location.to_owned(),
        };
        let is_own = whole.strip_prefix(&self.base).is_some_and(|rest| rest.starts_with('/'));
        if !is_own || whole.parse::<Uri>().is_err() {
            bail!("the registry wants a blob to go to another host: {}", shown(location));
        }
        let joint = if whole.contains('?') { '&' } else { '?' };
        Ok(format!("{whole}{joint}digest={digest}"))
    }

    /// Asks; where the registry wants to know who asks, shows what Docker's store knows and asks once more.
    fn call(
        &mut self,
        method: Method,
        address: &str,
        media_type: &str,
        body: &[u8],
        limit: u64,
    ) -> anyhow::Result<Answer> {
        let (response, at) = self.send(&method, address, media_type, body)?;
        if response.status() != 401 {
            return answer(response, &at, limit);
        }
        let header = response.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
        let challenge = header.and_then(challenge::read);
        let challenge =
            challenge.ok_or_else(|| anyhow!(
                "{} asks for a login of a kind that firstseen does not know: it shows a user and a password, or a token",
                self.host
            ))?;
        drop(response);
        self.authorize(&challenge)?;
        let (response, at) = self.send(&method, address, media_type, body)?;
        answer(response, &at, limit)
    }

    /// Sends a request, and follows redirections of one that asks; what is pushed goes where it was to go. Gives with the
    /// answer the address that it is from. Where that wants a login it is the registry: what is known is for no other
    /// host, and nobody else says where it is to be shown.
    fn send(
        &self,
        method: &Method,
        address: &str,
        media_type: &str,
        body: &[u8],
    ) -> anyhow::Result<(Response<Body>, String)> {
        let sends = *method == Method::PUT || *method == Method::POST;
        let mut at = address.to_owned();
        for hop in 0..=MAX_REDIRECTIONS {
            let mut request = Request::builder().method(method).uri(&at);
            // Nobody else sees it.
            if let Some(authorization) = self.authorization.as_ref().filter(|_| hop == 0) {
                request = request.header(AUTHORIZATION, authorization);
            }
            if !media_type.is_empty() {
                request = request.header(if sends { CONTENT_TYPE } else { ACCEPT }, media_type);
            }
            let sent = match sends {
                true => self.agent.run(request.body(body)?),
                false => self.agent.run(request.body(())?),
            };
            let response = sent.map_err(|e| anyhow!(unanswered(&at, &e)))?;
            let Some(location) = redirection(&response).filter(|_| !sends) else {
                if hop > 0 && response.status() == 401 {
                    bail!(
                        "{} redirects to {}, which wants a login: no password goes where a registry redirects to; ask \
                         who runs it",
                        self.host,
                        shown(&host_of(&at))
                    );
                }
                return Ok((response, at));
            };
            at = redirected(&at, location, self.allow_http)
                .map_err(|e| anyhow!(unanswered(&at, &e)))?;
        }
        bail!("{}", unanswered(&at, &ureq::Error::TooManyRedirects))
    }

    /// Makes what the next requests are sent with.
    fn authorize(&mut self, challenge: &Challenge) -> anyhow::Result<()> {
        let credential = credentials::of(&self.host).map_err(|e| anyhow!(e))?;
        let value = match (challenge, &credential) {
            (Challenge::Basic, Credential::User { name, password }) => basic(name, password),
            (Challenge::Basic, _) => bail!(
                "it wants a user and a password, and Docker's store has none: `docker login {}`",
                self.host
            ),
            (Challenge::Bearer { realm, service, scope }, _) => {
                format!("Bearer {}", self.token(realm, service, scope, &credential)?)
            }
        };
        let mut value =
            HeaderValue::try_from(value).map_err(|_| anyhow!("what it is shown is no header"))?;
        value.set_sensitive(true);
        self.authorization = Some(value);
        Ok(())
    }

    fn token(
        &self,
        realm: &str,
        service: &str,
        scope: &str,
        credential: &Credential,
    ) -> anyhow::Result<String> {
        #[derive(Deserialize)]
        struct Token {
            token: Option<String>,
            access_token: Option<String>,
        }
        let uri = realm.parse::<Uri>();
        let uri = uri.map_err(|_| anyhow!("it names no place for a token: {}", shown(realm)))?;
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if may_be_plain(&self.host, &uri, self.allow_http) => {}
            Some("http") => bail!(
                "it wants a token from {}, which is not over TLS: everybody on the way could read the password; only \
                 --allow-http asks there",
                shown(realm)
            ),
            _ => bail!("it wants a token from {}, which is not over TLS", shown(realm)),
        }
        let actions = if self.access == Access::Push { "pull,push" } else { "pull" };
        let scope = match scope {
            "" => format!("repository:{}:{actions}", self.repository),
            scope => scope.to_owned(),
        };
        // A registry over plain HTTP may still have its tokens over TLS.
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(TO_CONNECT))
            .timeout_global(Some(FOR_A_READ))
            .tls_config(tls(uri.scheme_str() == Some("https"))?)
            .build()
            .new_agent();
        let sent = match credential {
            Credential::Identity(token) => agent.post(realm).send_form([
                ("grant_type", "refresh_token"),
                ("service", service),
                ("scope", &scope),
                ("client_id", "firstseen"),
                ("refresh_token", token),
            ]),
            other => {
                let mut request = agent.get(realm).query("service", service).query("scope", &scope);
                if let Credential::User { name, password } = other {
                    request = request.header(AUTHORIZATION, basic(name, password));
                }
                request.call()
            }
        };
        let sent = sent.map_err(|e| anyhow!(unanswered(realm, &e)))?;
        let answer = answer(sent, realm, MAX_ANSWER)?;
        if answer.status != 200 {
            let advice = match credential {
                Credential::Anonymous => "Docker's store knows nothing of it: `docker login` first",
                _ => "what Docker's store knows of it is not taken: `docker login` again",
            };
            bail!("{} gives no token (status {}): {advice}", shown(realm), answer.status);
        }
        // Its text is never shown.
        let token: Option<Token> = serde_json::from_slice(&answer.body).ok();
        let token = token.and_then(|token| token.token.or(token.access_token));
        token.ok_or_else(|| anyhow!("{} gives no token", shown(realm)))
    }

    fn expect(&self, answer: Answer, statuses: &[u16]) -> anyhow::Result<Answer> {
        if statuses.contains(&answer.status) {
            return Ok(answer);
        }
        let what = match answer.status {
            401 | 403 => format!("not allowed: `docker login {}` with a user who may", self.host),
            404 => "it is not there".to_owned(),
            429 => "asked too often: try again later".to_owned(),
            status => format!("status {status}"),
        };
        match said(&answer.body) {
            Some(said) => bail!("{what} (the registry says: {said})"),
            None => bail!("{what}"),
        }
    }
}

/// TLS by ring, with the certificates of this machine: without any, it trusts no host.
fn tls(is_needed: bool) -> anyhow::Result<TlsConfig> {
    let found = rustls_native_certs::load_native_certs();
    if is_needed && found.certs.is_empty() {
        bail!("this machine has no certificates of authorities (SSL_CERT_FILE names others)");
    }
    let certificates = found.certs.iter().map(|one| Certificate::from_der(one).to_owned());
    Ok(TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(RootCerts::from(certificates))
        .build())
}

fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")))
}

/// Reads an answer, no further than one byte behind the limit.
fn answer(response: Response<Body>, address: &str, limit: u64) -> anyhow::Result<Answer> {
    let status = response.status().as_u16();
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let location = location.map(str::to_owned);
    // An error is read as one, whatever was asked for.
    let limit = if status < 300 { limit } else { limit.max(MAX_ANSWER) };
    let body = response.into_body().into_with_config().limit(limit.saturating_add(1)).read_to_vec();
    let body = match body {
        Ok(body) if body.len() as u64 <= limit => body,
        Ok(_) | Err(ureq::Error::BodyExceedsLimit(_)) => {
            bail!("it answers with more than {limit} bytes")
        }
        Err(error) => bail!("{}", unanswered(address, &error)),
    };
    Ok(Answer { status, location, body })
}

/// What a registry says of an error.
fn said(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<One>,
    }
    #[derive(Deserialize)]
    struct One {
        code: String,
        #[serde(default)]
        message: String,
    }
    let errors: Errors = serde_json::from_slice(body).ok()?;
    let first = errors.errors.into_iter().next()?;
    Some(shown(format!("{} {}", first.code, first.message).trim()))
}

/// Text of a registry for a message: bounded, and nothing in it acts on a terminal.
pub(super) fn shown(text: &str) -> String {
    let short: String = text.chars().take(MAX_SHOWN).collect();
    escaped(&short).into_owned()
}

//! What Docker's store knows of a registry: `config.json`, and the programs that it names.
//!
//! In: a registry's host. Out: a user and a password, a token, or nothing. No message holds what it found.

use docker_credential::{CredentialRetrievalError as Fault, DockerCredential};

/// What a registry is shown.
pub(super) enum Credential {
    /// Nothing: what it shows to everybody.
    Anonymous,
    User {
        name: String,
        password: String,
    },
    /// A token that is exchanged for another.
    Identity(String),
}

/// Looks into the store; what is wrong with it.
///
/// # Errors
/// A file that cannot be read, a program that fails.
pub(super) fn of(host: &str) -> Result<Credential, String> {
    // Docker's own registry has kept the address of its first version.
    let server = if host == "docker.io" { "https://index.docker.io/v1/" } else { host };
    match docker_credential::get_credential(server) {
        Ok(DockerCredential::UsernamePassword(name, password)) => {
            Ok(Credential::User { name, password })
        }
        Ok(DockerCredential::IdentityToken(token)) => Ok(Credential::Identity(token)),
        Err(Fault::NoCredentialConfigured | Fault::ConfigNotFound) => Ok(Credential::Anonymous),
        Err(Fault::ConfigReadError) => match config_is_there() {
            false => Ok(Credential::Anonymous),
            true => Err("Docker's config.json cannot be read".to_owned()),
        },
        // What it printed may be a password.
        Err(Fault::HelperFailure { stdout, .. }) if stdout.contains("credentials not found") => {
            Ok(Credential::Anonymous)
        }
        Err(Fault::HelperFailure { helper, .. }) => {
            Err(format!("{helper} of Docker's config.json failed"))
        }
        Err(Fault::HelperCommunicationError) => {
            Err("a program docker-credential-... that Docker's config.json names cannot be run"
                .to_owned())
        }
        Err(_) => {
            Err("Docker's config.json, or what a program that it names says, is damaged".to_owned())
        }
    }
}

fn config_is_there() -> bool {
    let folder = std::env::var_os("DOCKER_CONFIG").map(std::path::PathBuf::from);
    let home = || Some(std::path::PathBuf::from(std::env::var_os("HOME")?).join(".docker"));
    folder.or_else(home).is_some_and(|folder| folder.join("config.json").exists())
}

//! Why a request to a registry had no answer, for a person.
//!
//! In: what was asked, a fault of the client, of the system or of TLS. Out: what is wrong, at which host, and what to do.
//! Text that comes from the network is bounded and escaped. It asks nothing again.

use super::client::shown;
use rustls::{AlertDescription, CertificateError, Error as TlsFault, InvalidMessage};
use std::io::{Error as IoFault, ErrorKind};
use ureq::Error;
use ureq::http::Uri;

/// Why an address has no answer.
pub(super) fn unanswered(address: &str, fault: &Error) -> String {
    let host = shown(&host_of(address));
    let reason = match fault {
        Error::Io(fault) => return of_system(&host, fault),
        Error::Rustls(fault) => return of_tls(&host, fault),
        Error::HostNotFound => {
            return format!(
                "{host}: no host of this name is known: check it, and this machine's DNS"
            );
        }
        Error::Timeout(timeout) => {
            return format!(
                "{host} does not answer in time ({timeout}): check the address, the network, and the proxy if there \
                 is one (HTTPS_PROXY)"
            );
        }
        Error::Protocol(_) => {
            return format!(
                "{host} does not speak HTTP ({}): check host and port; without TLS only a registry on this machine is \
                 asked, or one with --allow-http",
                shown(&fault.to_string())
            );
        }
        Error::RequireHttpsOnly(to) => {
            return format!(
                "{host} redirects to an address without TLS, at {}: only --allow-http goes there, and then everybody \
                 on the way can read and change what is sent",
                shown(&host_of(to))
            );
        }
        Error::TooManyRedirects | Error::RedirectFailed => {
            return format!("{host} redirects in a circle, or what is pushed: check the address");
        }
        Error::InvalidProxyUrl => {
            return "the address of the proxy cannot be read: check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY"
                .to_owned();
        }
        Error::ConnectionFailed => "no connection".to_owned(),
        other => other.to_string(),
    };
    format!("{host}: {}: check the address, and try again", shown(&reason))
}

/// The host that an address names, with its port.
pub(super) fn host_of(address: &str) -> String {
    let authority = address.parse::<Uri>().ok().and_then(|uri| Some(uri.authority()?.to_string()));
    // What is behind an @ is the host; what is before it may be a password.
    let authority = authority.as_deref().map(|text| text.rsplit('@').next().unwrap_or(text));
    authority.unwrap_or("the registry").to_owned()
}

fn of_system(host: &str, fault: &IoFault) -> String {
    if let Some(tls) = fault.get_ref().and_then(|inner| inner.downcast_ref::<TlsFault>()) {
        return of_tls(host, tls);
    }
    let text = shown(&fault.to_string());
    match fault.kind() {
        ErrorKind::ConnectionRefused => {
            format!(
                "nothing listens at {host} ({text}): is the registry running, and is this its port?"
            )
        }
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
            format!("{host} cannot be reached ({text}): check the address and the network")
        }
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof => {
            format!(
                "{host} closed the connection ({text}): try again; if it stays so, check the port, and the registry's \
                 log"
            )
        }
        _ => format!("{host}: {text}: check the address and the network, and try again"),
    }
}

fn of_tls(host: &str, fault: &TlsFault) -> String {
    use CertificateError as C;
    let advice = match fault {
        TlsFault::InvalidCertificate(C::UnknownIssuer | C::BadSignature) => {
            "no authority that this machine trusts vouches for its certificate: SSL_CERT_FILE names a file of other ones"
        }
        TlsFault::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => {
            "its certificate is for another host: use the name that the certificate has"
        }
        TlsFault::InvalidCertificate(C::Expired | C::ExpiredContext { .. }) => {
            "its certificate is too old: renew it, or check this machine's clock"
        }
        TlsFault::InvalidCertificate(C::NotValidYet | C::NotValidYetContext { .. }) => {
            "its certificate is not valid yet: check this machine's clock"
        }
        TlsFault::InvalidCertificate(_) => {
            "its certificate is refused: renew it, or ask who runs the registry"
        }
        TlsFault::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "it does not speak TLS: check the port, or ask without TLS by --allow-http"
        }
        TlsFault::AlertReceived(
            AlertDescription::CertificateRequired | AlertDescription::BadCertificate,
        ) => "it wants a certificate of this machine, and firstseen has none to show",
        _ => "TLS fails: check host and port, and what TLS the registry speaks",
    };
    format!("{host}: {advice} ({})", shown(&fault.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_names_the_host_and_what_to_do() {
        let io = |kind: ErrorKind| Error::Io(kind.into());
        let tls = |fault: TlsFault| Error::Io(IoFault::new(ErrorKind::InvalidData, fault));
        let bad = |fault| tls(TlsFault::InvalidCertificate(fault));
        for (fault, words) in [
            (io(ErrorKind::ConnectionRefused), "is the registry running"),
            (io(ErrorKind::ConnectionReset), "closed the connection"),
            (io(ErrorKind::NetworkUnreachable), "cannot be reached"),
            (io(ErrorKind::Other), "try again"),
            (Error::HostNotFound, "DNS"),
            (Error::ConnectionFailed, "no connection"),
            (
                Error::RequireHttpsOnly("http://there:1/b".to_owned()),
                "at there:1: only --allow-http",
            ),
            (bad(CertificateError::UnknownIssuer), "SSL_CERT_FILE"),
            (bad(CertificateError::NotValidForName), "for another host"),
            (bad(CertificateError::Expired), "too old"),
            (bad(CertificateError::NotValidYet), "clock"),
            (bad(CertificateError::Revoked), "is refused"),
            (tls(InvalidMessage::InvalidContentType.into()), "--allow-http"),
            (Error::Rustls(TlsFault::HandshakeNotComplete), "TLS fails"),
        ] {
            let text = unanswered("https://ghcr.io:444/v2/team/one/manifests/1", &fault);
            assert!(text.contains("ghcr.io:444") && text.contains(words), "{text}");
        }
    }

    #[test]
    fn no_password_and_nothing_that_acts_on_a_terminal_is_shown() {
        let fault = Error::Io(IoFault::other("a\x1b[2J"));
        let text = unanswered("https://user:secret@host/v2/", &fault);
        assert!(text.starts_with("host: ") && !text.contains("secret"), "{text}");
        assert!(!text.contains('\x1b'), "{text}");
        let text = unanswered("no address", &Error::HostNotFound);
        assert!(text.starts_with("the registry: "), "{text}");
    }
}

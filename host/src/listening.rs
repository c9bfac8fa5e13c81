//! Addresses that senders connect to.
//!
//! In: `HOST:PORT`, and how the command line names it. Out: a listener, or why the address cannot be had and what to do.
//! It accepts no connection.

use crate::escape::escaped;
use anyhow::{anyhow, bail};
use std::io::{Error, ErrorKind};
use std::net::{TcpListener, ToSocketAddrs};

/// Ports below need a right of their own.
const FIRST_FREE_PORT: u16 = 1024;

/// Listens at an address; `option` is what stands before it on the command line (`--listen `, `tcp://`).
///
/// # Errors
/// Where it cannot be had, with what to do.
pub fn listen(option: &str, address: &str) -> anyhow::Result<TcpListener> {
    let shown = escaped(address);
    // It would be looked up as a name.
    if let Some((_, rest)) = address.split_once("://") {
        bail!("{option}{shown}: give HOST:PORT alone: {}", escaped(rest));
    }
    TcpListener::bind(address)
        .map_err(|fault| anyhow!("{option}{shown}: {}", advice(address, &fault)))
}

fn advice(address: &str, fault: &Error) -> String {
    let example = "HOST:PORT of this machine, 127.0.0.1:8080 for one";
    match fault.kind() {
        ErrorKind::AddrInUse => {
            "another process listens there; end it, or give another port".to_owned()
        }
        ErrorKind::AddrNotAvailable => {
            format!(
                "no address of this machine ({fault}); give 127.0.0.1 for this machine alone, or 0.0.0.0 for all \
                     its addresses"
            )
        }
        ErrorKind::PermissionDenied if is_privileged(address) => format!(
            "{fault}: ports below {FIRST_FREE_PORT} are for root; give a higher one, or have systemd give the right \
             (AmbientCapabilities=CAP_NET_BIND_SERVICE)"
        ),
        ErrorKind::InvalidInput if address.parse::<u16>().is_ok() => {
            format!(
                "a port alone; give 127.0.0.1:{address} for this machine alone, or 0.0.0.0:{address} for all its addresses"
            )
        }
        ErrorKind::InvalidInput if !address.contains(':') => format!("no port; give {example}"),
        ErrorKind::InvalidInput => {
            format!("{fault}; a port is a number up to 65535; give {example}")
        }
        _ => format!("{fault}; give {example}"),
    }
}

fn is_privileged(address: &str) -> bool {
    let mut ports = address.to_socket_addrs().into_iter().flatten().map(|address| address.port());
    ports.any(|port| (1..FIRST_FREE_PORT).contains(&port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_had_says_how_one_is_written() {
        for (address, words) in [
            ("8080", "a port alone; give 127.0.0.1:8080"),
            ("nowhere", "no port; give HOST:PORT"),
            ("", "no port"),
            ("127.0.0.1:99999", "a number up to 65535"),
            ("127.0.0.1:x", "a number up to 65535"),
            ("http://127.0.0.1:8080", "give HOST:PORT alone: 127.0.0.1:8080"),
            // For examples in texts alone: no machine has it.
            ("192.0.2.1:8080", "no address of this machine"),
        ] {
            let error = listen("--listen ", address).unwrap_err().to_string();
            assert!(error.starts_with(&format!("--listen {address}: ")), "{error}");
            assert!(error.contains(words), "{address}: {error}");
        }
        let first = listen("", "127.0.0.1:0").unwrap();
        let taken = first.local_addr().unwrap().to_string();
        let error = listen("tcp://", &taken).unwrap_err().to_string();
        assert!(error.starts_with("tcp://127") && error.contains("another process"), "{error}");
    }

    #[test]
    fn low_ports_are_for_root() {
        let fault = Error::from(ErrorKind::PermissionDenied);
        assert!(advice("127.0.0.1:80", &fault).contains("CAP_NET_BIND_SERVICE"));
        let text = advice("127.0.0.1:8080", &fault);
        assert!(text.contains("permission denied") && !text.contains("root"), "{text}");
    }
}

//! Networks.
//!
//! In: addresses as text, with or without a prefix length. Out: whether one lies in the other.
//! As in Elasticsearch all are IPv6 inside, IPv4 as `::ffff:a.b.c.d`, so that both written forms of
//! an address are the same. It never resolves a name.

use alloc::string::ToString;
use core::fmt;
use core::net::Ipv6Addr;

use firstseen_value::parse_address;
use serde::{Deserialize, Serialize};

/// How many bits come before an IPv4 address.
const V4_OFFSET: u8 = 96;

/// An address or a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Network {
    /// The address, its bits beyond the prefix cleared.
    base: u128,
    /// The length of the prefix, out of 128.
    prefix: u8,
}

/// Why text is not a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotANetwork {
    /// It does not begin with an address.
    NoAddress,
    /// The prefix length is not a number, or too long.
    BadPrefix,
}

impl Network {
    /// Reads `10.0.0.0/8`, `fe80::/10`, `::1`.
    pub(crate) fn parse(text: &str) -> Result<Self, NotANetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let base = parse_address(address).ok_or(NotANetwork::NoAddress)?;
        let (longest, offset) = if address.contains(':') { (128, 0) } else { (32, V4_OFFSET) };
        let prefix = match prefix {
            None => 128,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits
                .parse::<u8>()
                .ok()
                .filter(|length| *length <= longest)
                .map(|length| length + offset)
                .ok_or(NotANetwork::BadPrefix)?,
            Some(_) => return Err(NotANetwork::BadPrefix),
        };
        Ok(Self { base: base & mask(prefix), prefix })
    }

    /// Whether an address lies within.
    pub(crate) fn contains(&self, address: u128) -> bool {
        address & mask(self.prefix) == self.base
    }

    /// Its first and its last address.
    pub(crate) fn ends(&self) -> (u128, u128) {
        (self.base, self.base | !mask(self.prefix))
    }
}

/// The first `prefix` bits.
fn mask(prefix: u8) -> u128 {
    let host_bits = 128_u32.saturating_sub(u32::from(prefix));
    u128::MAX.checked_shl(host_bits).unwrap_or(0)
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v6 = Ipv6Addr::from_bits(self.base);
        let (address, prefix, longest) = match v6.to_ipv4_mapped() {
            Some(v4) if self.prefix >= V4_OFFSET => {
                (v4.to_string(), self.prefix - V4_OFFSET, 128 - V4_OFFSET)
            }
            _ => (v6.to_string(), self.prefix, 128),
        };
        if prefix >= longest { f.write_str(&address) } else { write!(f, "{address}/{prefix}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contains_by_address_in_any_text_form() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.9.9.9/8", "10.1.2.3", true),
            ("192.0.0.10/32", "192.0.0.10", true),
            ("192.0.0.10/32", "192.0.0.11", false),
            ("0.0.0.0/0", "255.1.2.3", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "1.2.3.4", true),
            ("::1", "0:0:0:0:0:0:0:1", true),
            ("FE80::/10", "fe80::1", true),
            ("FE80::/10", "febf::1", true),
            ("FE80::/10", "fec0::1", false),
            ("::ffff:1.2.3.4", "1.2.3.4", true),
            ("2001:DB8::/32", "2001:0db8:0000::ff", true),
        ];
        for (network, address, expected) in cases {
            let network = Network::parse(network).unwrap();
            let address = parse_address(address).unwrap();
            assert_eq!(network.contains(address), expected, "{network} {address:x}");
        }
    }

    #[test]
    fn invalid_networks_are_refused() {
        let cases = [
            ("bastion", NotANetwork::NoAddress),
            ("10.0.0", NotANetwork::NoAddress),
            ("", NotANetwork::NoAddress),
            ("/8", NotANetwork::NoAddress),
            ("10.0.0.0/33", NotANetwork::BadPrefix),
            ("10.0.0.0/", NotANetwork::BadPrefix),
            ("10.0.0.0/+8", NotANetwork::BadPrefix),
            ("::/129", NotANetwork::BadPrefix),
            ("10.0.0.0/8/8", NotANetwork::BadPrefix),
        ];
        for (text, expected) in cases {
            assert_eq!(Network::parse(text), Err(expected), "{text:?}");
        }
    }

    #[test]
    fn text_is_normal_and_reads_back() {
        let cases = [
            ("10.9.9.9/8", "10.0.0.0/8"),
            ("10.0.0.1/32", "10.0.0.1"),
            ("FE80::/10", "fe80::/10"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::ffff:0:0/95", "::fffe:0:0/95"),
            ("::1/128", "::1"),
        ];
        for (text, normal) in cases {
            let network = Network::parse(text).unwrap();
            assert_eq!(network.to_string(), normal);
            assert_eq!(Network::parse(normal).unwrap(), network);
        }
    }

    #[test]
    fn a_malformed_decoded_network_does_no_harm() {
        let network = Network { base: 1, prefix: 255 };
        assert!(network.contains(1));
        assert_eq!(network.to_string(), "::1");
        let network = Network { base: 0xffff_0000_0000, prefix: 200 };
        assert_eq!(network.to_string(), "0.0.0.0");
    }
}

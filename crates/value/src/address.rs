//! Addresses by value.
//!
//! In: addresses as text. Out: a number, and one text for all spellings. As in Elasticsearch all are
//! IPv6 inside, IPv4 as `::ffff:a.b.c.d`, so that both written forms of an address are the same. It
//! never resolves a name.

use alloc::string::{String, ToString};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address as a number.
#[must_use]
pub fn parse_address(text: &str) -> Option<u128> {
    Some(match text.parse().ok()? {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    })
}

/// The shortest text of an address.
#[must_use]
pub fn address_text(bits: u128) -> String {
    let v6 = Ipv6Addr::from_bits(bits);
    v6.to_ipv4_mapped().map_or_else(|| v6.to_string(), |v4: Ipv4Addr| v4.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_for_all_spellings() {
        for (spellings, text) in [
            (&["2001:db8::1", "2001:0DB8:0:0:0:0:0:1"][..], "2001:db8::1"),
            (&["198.51.100.9", "::ffff:198.51.100.9", "::FFFF:c633:6409"], "198.51.100.9"),
            (&["::1", "0:0:0:0:0:0:0:1"], "::1"),
        ] {
            for spelling in spellings {
                assert_eq!(parse_address(spelling).map(address_text).as_deref(), Some(text));
            }
        }
        for none in ["", "bastion", "10.0.0", "10.0.0.01", "fe80::1%eth0", "10.0.0.0/8"] {
            assert_eq!(parse_address(none), None, "{none}");
        }
    }
}

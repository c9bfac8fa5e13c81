//! Names of keys at the server.
//!
//! In: keys as the module made them. Out: `{TENANT:bb}:KEY`, and back. The form is fixed for ever: what is in
//! braces decides in which slot of a cluster a key lies, and the script takes one slot's keys.

/// The keys of one tenant.
#[derive(Debug, Clone)]
pub(super) struct TenantKeys {
    tenant: String,
}

impl TenantKeys {
    /// `tenant` has letters, digits, `.`, `_` and `-` alone: no name can look like another's keys.
    pub(super) fn new(tenant: &str) -> Self {
        Self { tenant: tenant.to_owned() }
    }

    /// The name of a key; nothing where it is another tenant's.
    pub(super) fn of(&self, key: &[u8]) -> Option<Vec<u8>> {
        key.strip_prefix(self.tenant.as_bytes())?.strip_prefix(b":")?;
        let tag = tag_of(key);
        Some([b"{", self.tenant.as_bytes(), b":", &tag, b"}:", key].concat())
    }

    /// The key of a name; nothing where it is none of this tenant's terms.
    pub(super) fn back<'n>(&self, name: &'n [u8]) -> Option<&'n [u8]> {
        let rest = name.strip_prefix(b"{")?.strip_prefix(self.tenant.as_bytes())?;
        let key = rest.strip_prefix(b":")?.get(2..)?.strip_prefix(b"}:")?;
        (self.of(key)? == name).then_some(key)
    }

    /// The name of what is kept besides terms.
    pub(super) fn meta(&self, what: &str) -> String {
        format!("{{{}:meta}}:{what}", self.tenant)
    }

    /// The name of the number of the state in the part of it that has this tag.
    pub(super) fn mark(&self, tag: [u8; 2]) -> Vec<u8> {
        [b"{", self.tenant.as_bytes(), b":", &tag, b"}:state"].concat()
    }

    /// The slot of a cluster in which all keys with this tag are.
    pub(super) fn slot(&self, tag: [u8; 2]) -> u16 {
        slot_of(&[self.tenant.as_bytes(), b":", &tag].concat())
    }

    /// The slot of what is kept besides terms.
    pub(super) fn meta_slot(&self) -> u16 {
        slot_of(&[self.tenant.as_bytes(), b":meta"].concat())
    }

    /// All tags of terms.
    pub(super) fn tags() -> impl Iterator<Item = [u8; 2]> {
        let digit = |half: u8| b"0123456789abcdef".get(usize::from(half)).copied().unwrap_or(b'0');
        (0..=u8::MAX).map(move |byte| [digit(byte >> 4), digit(byte & 15)])
    }

    /// What the names of the tenant's terms look like, for SCAN.
    pub(super) fn pattern(&self) -> String {
        format!("{{{}:??}}:*", self.tenant)
    }
}

/// The first byte of the hash that a key ends with, as it is written there; `00` for what has none.
pub(super) fn tag_of(key: &[u8]) -> [u8; 2] {
    let hash = key.rsplit(|b| *b == b':').next().unwrap_or_default();
    let is_digit = |b: &u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    match hash {
        [a, b, ..] if hash.iter().all(is_digit) => [*a, *b],
        _ => *b"00",
    }
}

/// The slot of what stands in braces: CRC-16 of XMODEM, as Redis has it.
fn slot_of(tag: &[u8]) -> u16 {
    let crc = tag.iter().fold(0u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            let shifted = crc << 1;
            if crc & 0x8000 == 0 { shifted } else { shifted ^ 0x1021 }
        })
    });
    crc & 0x3fff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_as_redis_has_it() {
        // The specification's own, and what CLUSTER KEYSLOT says.
        assert_eq!(slot_of(b"123456789"), 0x31c3);
        assert_eq!((slot_of(b"foo"), slot_of(b"")), (12182, 0));
        let keys = TenantKeys::new("acme");
        assert_eq!(keys.slot(*b"ff"), slot_of(b"acme:ff"));
        let tags: Vec<[u8; 2]> = TenantKeys::tags().collect();
        assert_eq!((tags.len(), tags[0], tags[255]), (256, *b"00", *b"ff"));
        // A mark is no term.
        assert_eq!(keys.back(&keys.mark(*b"ff")), None);
    }

    #[test]
    fn a_name_has_the_tag_of_its_hash_and_leads_back() {
        let keys = TenantKeys::new("acme");
        for (key, tag) in [
            (&b"acme:rule:7bd73666cc3b5286:01a4803e"[..], &b"01"[..]),
            (b"acme:rule:7bd73666cc3b5286:learn", b"00"),
            (b"acme:rule:7bd73666cc3b5286:learn:fe00", b"fe"),
            (b"acme:rule:7bd73666cc3b5286:}{x", b"00"),
            (b"acme:", b"00"),
        ] {
            let name = keys.of(key).unwrap();
            assert_eq!(name, [b"{acme:", tag, b"}:", key].concat());
            assert_eq!(keys.back(&name), Some(key));
        }
    }

    #[test]
    fn no_tenant_reaches_another_one() {
        let (a, ab) = (TenantKeys::new("a"), TenantKeys::new("a.b"));
        for key in [&b"a.b:r:f:00"[..], b"ab:r", b"a", b"", b"{a:00}:a:r"] {
            assert_eq!(a.of(key), None);
        }
        assert_eq!(ab.of(b"a:r:f:00"), None);
        for name in ["{a.b:00}:a.b:r:f:00ff", "{a:01}:a:r:f:00ff", "{a:meta}:state", "{a:00}:b:r"] {
            assert_eq!(a.back(name.as_bytes()), None, "{name}");
        }
    }
}

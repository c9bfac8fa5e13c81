//! Hashes as identifiers: of an event, a term, a rule's state (its fingerprint), an alert.
//!
//! In: the parts that identify the thing. Out: 128 bits (BLAKE3, cut). Every part goes in with a
//! tag and its length, so that no two lists of parts look alike. It never hashes an event's bytes:
//! the same event in another envelope has the same name.

use alloc::string::String;
use alloc::vec::Vec;
use firstseen_event::EventFields;
use firstseen_value::{Value, hex, push_hex};

/// A hash over tagged, length-prefixed parts.
#[derive(Debug, Clone)]
pub struct TaggedHasher {
    /// The first parts, which are all that most things have.
    near: [u8; NEAR],
    len: usize,
    /// The parts behind them.
    far: Vec<u8>,
}

/// Bytes that need no allocation.
const NEAR: usize = 256;

impl TaggedHasher {
    /// Starts a hash; the purpose keeps hashes for different uses apart.
    #[must_use]
    pub fn new(purpose: &str) -> Self {
        let mut parts = Self { near: [0; NEAR], len: 0, far: Vec::new() };
        parts.add(b'p', purpose.as_bytes());
        parts
    }

    /// Adds a part. They are gathered first: hashed at once they take a third of the time.
    #[inline]
    pub fn add(&mut self, tag: u8, bytes: &[u8]) {
        let [a, b, c, d, e, f, g, h] = (bytes.len() as u64).to_le_bytes();
        let head = [tag, a, b, c, d, e, f, g, h];
        // In a module each copy of unknown length is a call: one for a part, none for its head.
        let room = self.near.get_mut(self.len..).and_then(<[u8]>::split_first_chunk_mut::<9>);
        if let (Some((to, rest)), true) = (room, self.far.is_empty())
            && let Some(rest) = rest.get_mut(..bytes.len())
        {
            *to = head;
            rest.copy_from_slice(bytes);
            self.len = self.len.saturating_add(9).saturating_add(bytes.len());
            return;
        }
        self.far.extend_from_slice(&head);
        self.far.extend_from_slice(bytes);
    }

    /// The hash.
    #[must_use]
    pub fn finish(&self) -> [u8; 16] {
        let near = self.near.get(..self.len).unwrap_or_default();
        let hash = if self.far.is_empty() {
            blake3::hash(near)
        } else {
            blake3::Hasher::new().update(near).update(&self.far).finalize()
        };
        let mut out = [0; 16];
        for (to, from) in out.iter_mut().zip(hash.as_bytes()) {
            *to = *from;
        }
        out
    }
}

/// The name of an event: dataset, id and time; without an id, what the rule read of it.
#[must_use]
#[inline]
pub fn of_event(
    fields: &EventFields<'_>,
    time_ms: i64,
    asks: impl Iterator<Item = usize>,
) -> [u8; 16] {
    let mut parts = TaggedHasher::new("event");
    parts.add(b'd', fields.dataset().as_bytes());
    parts.add(b't', &time_ms.to_le_bytes());
    if let Some(id) = fields.id() {
        parts.add(b'i', id.as_bytes());
        return parts.finish();
    }
    // By its index in the rule: other rules of the artifact change the index of the request.
    for (place, ask) in asks.enumerate() {
        parts.add(b'a', &(place as u64).to_le_bytes());
        for value in fields.values(ask) {
            match value {
                Value::Bool(b) => parts.add(b'b', &[u8::from(b)]),
                Value::Number(n) => parts.add(b'n', n.as_bytes()),
                Value::Text(t) => parts.add(b's', t.as_bytes()),
            }
        }
        for object in fields.objects(ask) {
            parts.add(b'o', object.as_bytes());
        }
    }
    parts.finish()
}

/// What a rule's state depends on: the new-terms fields, the window, the state's epoch, and the
/// field of the time where that is not `@timestamp`. A rule that changes one of them starts anew; a
/// better query or text does not.
#[must_use]
pub fn of_rule(new_terms: &[String], window_ms: i64, epoch: u32, time: Option<&str>) -> String {
    let mut parts = TaggedHasher::new("fingerprint");
    for field in new_terms {
        parts.add(b'f', field.as_bytes());
    }
    parts.add(b'w', &window_ms.to_le_bytes());
    parts.add(b'e', &epoch.to_le_bytes());
    if let Some(field) = time {
        parts.add(b't', field.as_bytes());
    }
    hex(parts.finish().get(..8).unwrap_or_default())
}

/// The id of an alert, in the form of a UUID (version 8: a custom hash). The rule's version is not
/// part of it.
#[must_use]
pub fn of_alert(rule_id: &str, fingerprint: &str, event: &[u8; 16], term: &str) -> String {
    let mut parts = TaggedHasher::new("alert");
    parts.add(b'r', rule_id.as_bytes());
    parts.add(b'f', fingerprint.as_bytes());
    parts.add(b'e', event);
    parts.add(b't', term.as_bytes());
    let mut bits = u128::from_be_bytes(parts.finish());
    bits = bits & !(0xf << 76) | (0x8 << 76);
    bits = bits & !(0x3 << 62) | (0x2 << 62);
    let mut out = String::with_capacity(36);
    for (index, byte) in bits.to_be_bytes().into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        push_hex(&mut out, &[byte]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_together() {
        let mut a = TaggedHasher::new("x");
        a.add(b's', b"ab");
        a.add(b's', b"c");
        let mut b = TaggedHasher::new("x");
        b.add(b's', b"a");
        b.add(b's', b"bc");
        assert_ne!(a.finish(), b.finish());
        assert_ne!(TaggedHasher::new("x").finish(), TaggedHasher::new("y").finish());
    }

    #[test]
    fn many_and_long_parts_hash_as_one_buffer() {
        for sizes in [[10, 20, 30], [200, 30, 40], [1, 300, 5], [240, 7, 1000]] {
            let mut parts = TaggedHasher::new("x");
            let mut whole = vec![b'p', 1, 0, 0, 0, 0, 0, 0, 0, b'x'];
            for size in sizes {
                let bytes = vec![b'v'; size];
                parts.add(b's', &bytes);
                whole.push(b's');
                whole.extend_from_slice(&(size as u64).to_le_bytes());
                whole.extend_from_slice(&bytes);
            }
            assert_eq!(parts.finish()[..], blake3::hash(&whole).as_bytes()[..16]);
        }
    }

    #[test]
    fn an_alert_id_is_a_uuid_of_version_8() {
        let id = of_alert("r", "f", &[1; 16], "[]");
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes()[14], b'8');
        assert!(matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
        assert_ne!(id, of_alert("r", "f", &[2; 16], "[]"));
    }

    #[test]
    fn the_fingerprint_is_fixed_for_ever() {
        // A change here forgets every state in the field.
        let fields = ["cloud.account.id".to_owned(), "user.name".to_owned()];
        let print = of_rule(&fields, 864_000_000, 0, None);
        assert_eq!(print.len(), 16);
        assert_ne!(print, of_rule(&fields, 864_000_001, 0, None));
        assert_ne!(print, of_rule(&fields, 864_000_000, 1, None));
        assert_ne!(print, of_rule(&fields, 864_000_000, 0, Some("event.ingested")));
        assert_ne!(print, of_rule(&[fields[1].clone(), fields[0].clone()], 864_000_000, 0, None));
    }
}

//! The fields of `tlsDetails`.
//!
//! In: the spans of an event. Out: `tls.*` and the key exchange. Where the version is the word
//! "tlsVersion", all of `tlsDetails` is a placeholder and gives nothing.

use crate::cut::cut;
use crate::path::{Node, SCALARS, Trie};
use crate::raw::{ComputedField, EventCache, RawField};
use crate::spans::{FieldValues, Spans};
use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use firstseen_value::Value;

/// The server's name that the client gave.
pub(super) struct TlsText {
    version: Node,
    value: Node,
}

struct TlsField {
    text: TlsText,
    part: TlsPart,
}

enum TlsPart {
    Whole,
    Protocol,
    Version,
}

impl TlsText {
    fn new(path: &str, trie: &mut Trie) -> Self {
        let version = trie.add("tlsDetails.tlsVersion", SCALARS);
        Self { version, value: trie.add(path, SCALARS) }
    }

    /// The name of the server.
    pub(super) fn server(trie: &mut Trie) -> Self {
        Self::new("tlsDetails.clientProvidedHostHeader", trie)
    }

    pub(super) fn read<'a>(&self, event: &Spans<'a>) -> Option<Cow<'a, str>> {
        let value = event.first(self.value)?;
        let is_placeholder = event.first(self.version).as_deref() == Some("tlsVersion");
        (!is_placeholder).then_some(value)
    }
}

pub(super) fn derive(name: &str, trie: &mut Trie) -> Option<RawField> {
    let (path, part) = match name {
        "tls.version_protocol" => ("tlsDetails.tlsVersion", TlsPart::Protocol),
        "tls.version" => ("tlsDetails.tlsVersion", TlsPart::Version),
        "tls.cipher" => ("tlsDetails.cipherSuite", TlsPart::Whole),
        "tls.client.server_name" => ("tlsDetails.clientProvidedHostHeader", TlsPart::Whole),
        "aws.cloudtrail.tls_details.key_exchange" => ("tlsDetails.keyExchange", TlsPart::Whole),
        _ => return None,
    };
    let text = TlsText::new(path, trie);
    Some(RawField::Computed(Box::new(TlsField { text, part })))
}

impl ComputedField for TlsField {
    fn values<'a>(&self, event: &Spans<'a>, _: &mut EventCache<'a>) -> FieldValues<'a> {
        let text = self.text.read(event).and_then(|text| match self.part {
            TlsPart::Whole => Some(text),
            TlsPart::Protocol => {
                split(&text).map(|(protocol, _)| Cow::Owned(protocol.to_lowercase()))
            }
            TlsPart::Version => match split(&text) {
                Some((_, version)) => Some(Cow::Owned(version.to_owned())),
                None => Some(text),
            },
        });
        FieldValues::one(text.filter(|text| !text.is_empty()).map(Value::Text))
    }
}

/// `TLSv1.3` -> `TLS` and `1.3`.
fn split(text: &str) -> Option<(&str, &str)> {
    cut(text, b'v')
}

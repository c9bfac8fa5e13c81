//! What an event names: entities, hosts and addresses.
//!
//! In: the spans of an event. Out: `related.entity`, `related.hosts`, `related.ip`, each value once.
//! Paths by service are in the table `related.tsv`.

use super::derived::{address, is_address, service};
use super::identity::Caller;
use super::objects::{REQUEST, RESPONSE, WholeObjects};
use super::targets::TargetPaths;
use super::tls::TlsText;
use crate::cut::{LineTable, cut, cut_around, first_part};
use crate::json::push_texts;
use crate::path::{Node, SCALARS, Trie};
use crate::raw::{ComputedField, EventCache, RawField};
use crate::spans::{Blanks, FieldValues, Spans, TextSet};
use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// A line for each service: its name, the paths of related entities.
static TABLE: LineTable = LineTable::new(include_str!("related.tsv"));

/// Paths of instances in the request and in the response, besides those of ARNs.
const INSTANCES: &str =
    "instanceId target resourceId instanceIds[] instancesSet.items[].instanceId";

enum RelatedField {
    Ip { source: Node, service: Node },
    Hosts(Box<HostPaths>),
    Entity(Box<EntityPaths>),
}

struct HostPaths {
    server: TlsText,
    source: Node,
    objects: WholeObjects,
}

struct EntityPaths {
    caller: Caller,
    access_key: Node,
    store: Node,
    source: Node,
    targets: TargetPaths,
    objects: WholeObjects,
}

pub(super) fn derive(name: &str, trie: &mut Trie) -> Option<RawField> {
    let field = match name {
        "related.ip" => RelatedField::Ip {
            source: trie.add("sourceIPAddress", SCALARS),
            service: trie.add("serviceEventDetails.sourceIpAddress", SCALARS),
        },
        "related.hosts" => RelatedField::Hosts(Box::new(HostPaths {
            server: TlsText::server(trie),
            source: trie.add("sourceIPAddress", SCALARS),
            objects: WholeObjects::new(trie),
        })),
        "related.entity" => RelatedField::Entity(Box::new(EntityPaths {
            caller: Caller::new(trie),
            access_key: trie.add("userIdentity.accessKeyId", SCALARS),
            store: trie.add("userIdentity.onBehalfOf.identityStoreArn", SCALARS),
            source: trie.add("eventSource", SCALARS),
            targets: TargetPaths::new(trie),
            objects: WholeObjects::new(trie),
        })),
        _ => return None,
    };
    Some(RawField::Computed(Box::new(field)))
}

impl ComputedField for RelatedField {
    fn values<'a>(&self, event: &Spans<'a>, cache: &mut EventCache<'a>) -> FieldValues<'a> {
        self.texts(event, cache).into_values()
    }

    fn write<'a>(
        &self,
        event: &Spans<'a>,
        cache: &mut EventCache<'a>,
        out: &mut Vec<u8>,
    ) -> Option<bool> {
        let texts = self.texts(event, cache).into_texts();
        Some(push_texts(out, texts.iter().map(|text| &**text)))
    }
}

impl RelatedField {
    fn texts<'a>(&self, event: &Spans<'a>, cache: &mut EventCache<'a>) -> TextSet<'a> {
        let mut values = TextSet::default();
        match self {
            Self::Ip { source, service } => {
                values.extend(address(event, *source));
                values.extend(address(event, *service));
            }
            Self::Hosts(paths) => paths.add(event, cache, &mut values),
            Self::Entity(paths) => paths.add(event, cache, &mut values),
        }
        values
    }
}

impl HostPaths {
    fn add<'a>(&self, event: &Spans<'a>, cache: &mut EventCache<'a>, to: &mut TextSet<'a>) {
        let is_own = |host: &Cow<'_, str>| !host.ends_with(".amazonaws.com");
        to.extend(self.server.read(event).filter(is_own));
        let is_host = |host: &Cow<'_, str>| {
            cut(host, b'.').is_some() && cut(host, b' ').is_none() && !is_address(host)
        };
        to.extend(event.first(self.source).filter(is_own).filter(is_host));
        let mut trees = self.objects.of(event, cache);
        trees.add("requestParameters.computerName", to);
        let is_instance = |id: &str| id.starts_with("i-") && id.len() >= 10;
        for arn in trees.texts("resources[].ARN") {
            if let Some((_, id)) = cut_around(&arn, ":instance/").filter(|(_, id)| is_instance(id))
            {
                to.add(Cow::Owned(id.to_owned()));
            }
        }
        for object in [REQUEST, RESPONSE] {
            let ids = trees.texts_in(object, INSTANCES).into_iter();
            to.extend(ids.filter(|id| is_instance(id)));
        }
    }
}

impl EntityPaths {
    fn add<'a>(&self, event: &Spans<'a>, cache: &mut EventCache<'a>, to: &mut TextSet<'a>) {
        let caller = &self.caller;
        to.extend(event.texts(self.access_key, Blanks::All));
        to.extend(caller.arn(event));
        to.extend(caller.own_name(event));
        to.extend(caller.issuer_arn(event));
        to.extend(caller.issuer_name(event));
        let mut trees = self.objects.of(event, cache);
        trees.add("resources[].ARN", to);
        if caller.is_kind(event, &["IdentityCenterUser"]) {
            to.extend(event.texts(self.store, Blanks::All));
        }
        if let Some(service) = event.first(self.source).and_then(service) {
            let (_, paths) = first_part(TABLE.lines_of(&service), b'\t');
            let (paths, _) = first_part(paths, b'\n');
            if !paths.is_empty() {
                trees.add(paths, to);
            }
        }
        to.extend(self.targets.of(event, &self.objects, cache).iter().cloned());
    }
}

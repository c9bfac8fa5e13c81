//! A second, plain way from raw CloudTrail to ECS: all of it at once, from the tables' own files.
//!
//! In: a raw event's text. Out: every ECS field of Elastic's integration that needs no data from
//! outside, as texts, and the whole as an ECS document. It is written from a description of the
//! integration alone and shares no code with the project, so that the two can be compared. It does
//! not decide whether a text is a CloudTrail event.

mod entities;
mod fields;
mod people;
mod tables;
mod tree;

pub use fields::field_names;
pub use tables::{calls, names};
pub use tree::ModelTree;

use fields::{COPIED, COPIED_BELOW, COPIED_SESSION};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Whether `none` and `-` are names of users, roles and sessions. The integration drops them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceholderNames {
    /// They are names.
    Kept,
    /// They are blanks, as everywhere else.
    Dropped,
}

/// A raw event's fields by their names in ECS.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelFields {
    fields: BTreeMap<String, Vec<String>>,
    /// What stays an object, a list or a text under one name.
    flattened: BTreeMap<String, ModelTree>,
}

/// The names that are kept although they look blank.
const NAMES: &[&str] = &[
    "userIdentity.userName",
    "userIdentity.principalId",
    "userIdentity.sessionContext.sessionIssuer.userName",
    "userIdentity.sessionContext.sessionIssuer.principalId",
];

/// From here on a text's object is not indexed by its leaves.
const LONG_TEXT: usize = 32_766;

/// The fields of a raw event; `None` for what is no object of JSON or blank all over.
#[must_use]
pub fn ecs(event: &str, names: PlaceholderNames) -> Option<ModelFields> {
    let raw: ModelTree = serde_json::from_str(event).ok()?;
    let kept = if names == PlaceholderNames::Kept { NAMES } else { &[] };
    let signed_in = raw.text("additionalEventData.UserName").filter(|name| {
        !name.is_empty() && (names == PlaceholderNames::Kept || !is_placeholder(name))
    });
    let mut event = raw.cleaned("", kept)?;
    let mut out = ModelFields::default();
    for (field, path) in COPIED {
        out.copy(field, event.at(path));
    }
    for (field, path) in COPIED_BELOW {
        out.copy(&format!("aws.cloudtrail.{field}"), event.at(path));
    }
    let session = event.at("userIdentity.sessionContext").cloned();
    let session = session.unwrap_or(ModelTree::Null);
    let below = "aws.cloudtrail.user_identity.session_context";
    for (field, path) in COPIED_SESSION {
        out.copy(&format!("{below}.{field}"), session.at(path));
    }
    if let Some(attributes) = session.at("webIdFederationData.attributes") {
        let name = format!("{below}.web_id_federation_data.attributes");
        let mut leaves = Vec::new();
        attributes.leaves(&name, &mut leaves);
        leaves.into_iter().for_each(|(name, text)| out.add(&name, [text]));
    }
    out.constants(&event);
    out.outcome(&event);
    out.add(
        "cloud.account.id",
        first(&event, &["userIdentity.accountId", "recipientAccountId", "awsAccountId"]),
    );
    out.copy(
        "aws.cloudtrail.shared_event_id",
        event.at("sharedEventID").or(event.at("sharedEventId")),
    );
    out.network(&event);
    let session_name = people::add(&mut out, &mut event, signed_in, names);
    out.related_user(&event, session_name);
    entities::add(&mut out, &event);
    out.console_login(&event);
    for (field, path) in [
        ("request_parameters", "requestParameters"),
        ("response_elements", "responseElements"),
        ("additional_eventdata", "additionalEventData"),
        ("service_event_details", "serviceEventDetails"),
    ] {
        let Some(object) = event.get(path) else { continue };
        let text = object.java();
        let length = text.encode_utf16().count();
        out.add(&format!("aws.cloudtrail.{field}"), [text.clone()]);
        out.add(&format!("aws.cloudtrail.{field}.text"), [text]);
        if length < LONG_TEXT {
            out.flatten(field, object);
        }
    }
    if let Some(details) = event.get("insightDetails") {
        out.flatten("insight_details", details);
    }
    Some(out)
}

impl ModelFields {
    /// Each field that has values, with them in order; of flattened objects each leaf under its own
    /// name, and all of them under the object's.
    #[must_use]
    pub fn values(&self) -> BTreeMap<String, Vec<String>> {
        let mut all = self.fields.clone();
        for (name, tree) in &self.flattened {
            let mut leaves = Vec::new();
            tree.leaves(name, &mut leaves);
            for (path, text) in leaves {
                if path != *name {
                    all.entry(path).or_default().push(text.clone());
                }
                all.entry(name.clone()).or_default().push(text);
            }
        }
        all
    }

    /// The event as an ECS document with flat keys.
    #[must_use]
    pub fn document(&self) -> Value {
        let one_or_more = |values: &Vec<String>| match &values[..] {
            [one] => json!(one),
            more => json!(more),
        };
        let fields = self.fields.iter().filter(|(name, _)| !name.ends_with(".text"));
        let mut all: Map<String, Value> =
            fields.map(|(name, values)| (name.clone(), one_or_more(values))).collect();
        all.extend(self.flattened.iter().map(|(name, tree)| (name.clone(), tree.value())));
        Value::Object(all)
    }

    fn get(&self, name: &str) -> &[String] {
        self.fields.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Adds values that are not there yet.
    fn add(&mut self, name: &str, values: impl IntoIterator<Item = String>) {
        for value in values {
            let known = self.fields.entry(name.to_owned()).or_default();
            if !known.contains(&value) {
                known.push(value);
            }
        }
    }

    /// Copies a scalar, or the scalars of a list.
    fn copy(&mut self, name: &str, from: Option<&ModelTree>) {
        let Some(from) = from else { return };
        let mut leaves = Vec::new();
        from.leaves("", &mut leaves);
        let texts: Vec<_> =
            leaves.into_iter().filter(|(path, _)| path.is_empty()).map(|(_, text)| text).collect();
        if !texts.is_empty() {
            self.fields.insert(name.to_owned(), texts);
        }
    }

    fn flatten(&mut self, field: &str, tree: &ModelTree) {
        self.flattened.insert(format!("aws.cloudtrail.flattened.{field}"), tree.clone());
    }

    fn constants(&mut self, event: &ModelTree) {
        for (field, value) in [
            ("event.kind", "event"),
            ("event.module", "aws"),
            ("event.dataset", "aws.cloudtrail"),
            ("cloud.provider", "aws"),
            ("data_stream.type", "logs"),
            ("data_stream.dataset", "aws.cloudtrail"),
            ("data_stream.namespace", "default"),
        ] {
            self.add(field, [value.to_owned()]);
        }
        let (categories, types) = tables::categories(&event.text("eventName").unwrap_or_default());
        self.add("event.category", categories);
        self.add("event.type", types);
        let source = event.text("eventSource").unwrap_or_default();
        let service = source.strip_suffix(".amazonaws.com").filter(|service| !service.is_empty());
        self.add("cloud.service.name", service.map(str::to_owned));
    }

    fn outcome(&mut self, event: &ModelTree) {
        let failed = event.get("errorCode").is_some() || event.get("errorMessage").is_some();
        let mut outcome = if failed { "failure" } else { "success" }.to_owned();
        if event.text("eventName").as_deref() == Some("ConsoleLogin")
            && let Some(said) = event.text("responseElements.ConsoleLogin")
        {
            outcome = said.to_lowercase();
        }
        self.add("event.outcome", [outcome]);
    }

    fn network(&mut self, event: &ModelTree) {
        let is_host = |name: &String| {
            name.contains('.')
                && !name.contains(' ')
                && !name.ends_with(".amazonaws.com")
                && !is_ip(name)
        };
        let address = event.text("sourceIPAddress");
        let tls = event.get("tlsDetails");
        let tls = tls.filter(|tls| tls.text("tlsVersion").as_deref() != Some("tlsVersion"));
        let of_tls = |name: &str| tls.and_then(|tls| tls.text(name));
        if let Some(version) = of_tls("tlsVersion") {
            let (protocol, number) = match version.split_once('v') {
                Some((protocol, number)) => (Some(protocol.to_lowercase()), number.to_owned()),
                None => (None, version),
            };
            self.add("tls.version_protocol", protocol);
            self.add("tls.version", [number]);
        }
        let server = of_tls("clientProvidedHostHeader");
        self.add("tls.cipher", of_tls("cipherSuite"));
        self.add("tls.client.server_name", server.clone());
        self.add("aws.cloudtrail.tls_details.key_exchange", of_tls("keyExchange"));
        let server = server.filter(|name| !name.ends_with(".amazonaws.com"));
        self.add("source.ip", address.clone().filter(|text| is_ip(text)));
        self.add("related.ip", address.clone().filter(|text| is_ip(text)));
        let inner = event.text("serviceEventDetails.sourceIpAddress");
        self.add("related.ip", inner.filter(|text| is_ip(text)));
        self.add("related.hosts", server);
        self.add("related.hosts", address.filter(is_host));
        self.add("related.hosts", event.text("requestParameters.computerName"));
        let is_instance = |id: &String| id.starts_with("i-") && id.len() >= 10;
        let arns = event.texts("resources[].ARN").into_iter();
        let of_arns = arns.filter_map(|arn| Some(arn.split_once(":instance/")?.1.to_owned()));
        self.add("related.hosts", of_arns.filter(is_instance));
        for side in ["requestParameters", "responseElements"] {
            for path in [
                "instanceId",
                "target",
                "resourceId",
                "instanceIds[]",
                "instancesSet.items[].instanceId",
            ] {
                let ids = event.texts(&format!("{side}.{path}"));
                self.add("related.hosts", ids.into_iter().filter(is_instance));
            }
        }
        for (field, path) in [("arn", "ARN"), ("account_id", "accountId"), ("type", "type")] {
            self.add(
                &format!("aws.cloudtrail.resources.{field}"),
                event.texts(&format!("resources[].{path}")),
            );
        }
    }

    fn related_user(&mut self, event: &ModelTree, session_name: Option<String>) {
        let before_at = |name: &String| name.split_once('@').map(|(before, _)| before.to_owned());
        let short = session_name.as_ref().and_then(before_at).filter(|name| !name.is_empty());
        self.add("related.user", session_name.into_iter().chain(short));
        for path in [
            "requestParameters.userName",
            "requestParameters.newUserName",
            "responseElements.user.userId",
        ] {
            self.add("related.user", event.text(path));
        }
        let own = [self.get("user.id"), self.get("user.name")].concat();
        self.add("related.user", own);
        self.add("related.user", event.text("userIdentity.onBehalfOf.userId"));
    }

    fn console_login(&mut self, event: &ModelTree) {
        if event.text("eventName").as_deref() != Some("ConsoleLogin") {
            return;
        }
        let name =
            |field: &str| format!("aws.cloudtrail.console_login.additional_eventdata.{field}");
        for (field, path) in [("mobile_version", "MobileVersion"), ("mfa_used", "MFAUsed")] {
            let said = event.text(&format!("additionalEventData.{path}"));
            self.add(&name(field), said.map(|said| (said != "No").to_string()));
        }
        self.add(&name("login_to"), event.text("additionalEventData.LoginTo"));
    }
}

fn is_placeholder(name: &str) -> bool {
    name == "-" || name == "none"
}

fn is_ip(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

/// The first of these that is there.
fn first(event: &ModelTree, paths: &[&str]) -> Option<String> {
    paths.iter().find_map(|path| event.text(path))
}

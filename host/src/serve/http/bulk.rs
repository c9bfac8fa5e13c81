//! Elasticsearch's `_bulk`: pairs of lines become search hits with their index, and each item has its own result.
//!
//! In: an unpacked body, untrusted. Out: NDJSON in which line N is the document of item N, as a hit with its index; the
//! answer that Elasticsearch's clients read. A document has to be one JSON object: else its bytes could end the hit that
//! it is put in. What else is wrong with it, the loop says.

use crate::serve::ledger::BodyResult;
use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Items of one request.
pub(super) const MOST_ITEMS: usize = 100_000;

/// One item, and what became of it before it was judged.
#[derive(Debug)]
struct BulkItem {
    action: &'static str,
    index: String,
    id: String,
    /// The line of the document in what is judged, or why it is not.
    document: Result<u64, String>,
}

/// A bulk request, taken apart.
#[derive(Debug, Default)]
pub(super) struct BulkRequest {
    items: Vec<BulkItem>,
    /// How many of them are judged.
    judged: u64,
    /// What is judged.
    pub(super) lines: Vec<u8>,
}

#[derive(Deserialize)]
struct ActionTarget {
    _index: Option<String>,
    _id: Option<Value>,
}

/// An action with its name.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Index(ActionTarget),
    Create(ActionTarget),
    Update(ActionTarget),
    Delete(ActionTarget),
}

impl BulkRequest {
    /// Takes a body apart; `index` is that of the path.
    ///
    /// # Errors
    /// Where it is no bulk request: nothing of it was judged.
    pub(super) fn read(body: &[u8], index: Option<&str>) -> Result<Self, String> {
        let mut request = Self::default();
        let mut lines = (1_u64..).zip(body.split(|byte| *byte == b'\n'));
        while let Some((number, line)) = lines.next() {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            if request.items.len() == MOST_ITEMS {
                return Err(format!("more than {MOST_ITEMS} items; send them in several requests"));
            }
            let action: Action = serde_json::from_slice(line)
                .map_err(|error| format!("line {number}: no action of a bulk request: {error}"))?;
            let (name, target, has_document) = match action {
                Action::Index(target) => ("index", target, true),
                Action::Create(target) => ("create", target, true),
                Action::Update(target) => ("update", target, true),
                Action::Delete(target) => ("delete", target, false),
            };
            let document = match has_document.then(|| lines.next()) {
                Some(None) => return Err(format!("line {number}: no document follows the action")),
                Some(Some((_, document))) => document.trim_ascii(),
                None => &[],
            };
            request.add(number, name, target, index, document);
        }
        if request.items.is_empty() {
            return Err(
                "no items: a bulk request is pairs of lines, an action and a document".into()
            );
        }
        Ok(request)
    }

    fn add(
        &mut self,
        number: u64,
        action: &'static str,
        target: ActionTarget,
        index: Option<&str>,
        document: &[u8],
    ) {
        let id = match target._id {
            Some(Value::String(id)) => id,
            Some(Value::Number(id)) => id.to_string(),
            // The same document has the same one, however often it is sent.
            _ => blake3::hash(document).to_hex().get(..20).unwrap_or_default().to_owned(),
        };
        let index = target._index.as_deref().or(index).unwrap_or_default().to_owned();
        let refusal = match action {
            _ if index.is_empty() => {
                Some("the item names no index, and the path neither".to_owned())
            }
            "index" | "create" => no_object(document),
            _ => Some(
                "events are only added here: index and create are taken, update and delete not"
                    .to_owned(),
            ),
        };
        let document = match refusal {
            Some(reason) => Err(format!("line {number}: {reason}")),
            None => {
                self.lines.extend_from_slice(b"{\"_index\":");
                self.lines.extend_from_slice(json!(index).to_string().as_bytes());
                self.lines.extend_from_slice(b",\"_source\":");
                self.lines.extend_from_slice(document);
                self.lines.extend_from_slice(b"}\n");
                self.judged += 1;
                Ok(self.judged)
            }
        };
        self.items.push(BulkItem { action, index, id, document });
    }

    /// How many items there are.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// How many of them are not judged.
    pub(super) fn refused(&self) -> u64 {
        (self.items.len() as u64).saturating_sub(self.judged)
    }

    /// The answer: each item with what became of it.
    pub(super) fn answer(&self, result: &BodyResult, took_ms: u64) -> Value {
        // Of several faults in one document the first.
        let mut faults: HashMap<u64, String> = HashMap::new();
        for fault in &result.faults {
            let text = || format!("{}: {}", fault.code, fault.reason);
            faults.entry(fault.line).or_insert_with(text);
        }
        let mut errors = false;
        let items: Vec<Value> = (0_u64..)
            .zip(&self.items)
            .map(|(number, item)| {
                let refused = match &item.document {
                    Ok(line) => faults.get(line),
                    Err(reason) => Some(reason),
                };
                errors |= refused.is_some();
                item.answer(number, refused.map(String::as_str))
            })
            .collect();
        json!({ "took": took_ms, "errors": errors, "items": items })
    }
}

/// Why a line is no JSON object.
fn no_object(document: &[u8]) -> Option<String> {
    if !document.starts_with(b"{") {
        return Some("the document is no JSON object on a line of its own".to_owned());
    }
    let read = serde_json::from_slice::<IgnoredAny>(document);
    read.err().map(|error| format!("the document is no JSON object: {error}"))
}

impl BulkItem {
    fn answer(&self, number: u64, refused: Option<&str>) -> Value {
        let mut fields = Map::new();
        fields.insert("_index".into(), json!(self.index));
        fields.insert("_id".into(), json!(self.id));
        match refused {
            Some(reason) => {
                let error = json!({ "type": "document_parsing_exception", "reason": reason });
                fields.insert("status".into(), json!(StatusCode::BAD_REQUEST.as_u16()));
                fields.insert("error".into(), error);
            }
            None => {
                fields.insert("_version".into(), json!(1));
                fields.insert("result".into(), json!("created"));
                fields
                    .insert("_shards".into(), json!({ "total": 1, "successful": 1, "failed": 0 }));
                fields.insert("_seq_no".into(), json!(number));
                fields.insert("_primary_term".into(), json!(1));
                fields.insert("status".into(), json!(StatusCode::CREATED.as_u16()));
            }
        }
        json!({ self.action: fields })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::ledger::BodyFault;

    #[test]
    fn items_become_hits_with_their_index_and_have_their_own_results() {
        let body = concat!(
            "{\"index\":{\"_index\":\"logs-a\",\"_id\":\"7\"}}\n{\"a\":1}\n\n",
            "{\"delete\":{\"_id\":\"1\"}}\n",
            "{\"create\":{}}\r\n  {\"a\":2}\r\n",
            "{\"update\":{}}\n{\"doc\":{}}\n",
            "{\"create\":{}}\n{no json}\n",
            "{\"create\":{}}\nnull\n",
            // It would be a hit of another index.
            "{\"create\":{}}\n{\"a\":1},\"_index\":\"logs-b\"\n",
            "{\"create\":{}}\n{\"a\":3}\n",
        );
        let request = BulkRequest::read(body.as_bytes(), Some("logs-\"b")).unwrap();
        let lines = String::from_utf8(request.lines.clone()).unwrap();
        assert_eq!(
            lines,
            concat!(
                "{\"_index\":\"logs-a\",\"_source\":{\"a\":1}}\n",
                "{\"_index\":\"logs-\\\"b\",\"_source\":{\"a\":2}}\n",
                "{\"_index\":\"logs-\\\"b\",\"_source\":{\"a\":3}}\n",
            )
        );
        let fault = |line| BodyFault {
            line,
            record: None,
            code: "bad_json".into(),
            reason: "at byte 3".into(),
        };
        let mut result = BodyResult::new(false, 9);
        result.faults = vec![fault(3), fault(3)];
        let answer = request.answer(&result, 3);
        assert_eq!(answer["errors"], true);
        let status = |at: usize, action: &str| answer["items"][at][action]["status"].clone();
        let statuses = [
            (0, "index"),
            (1, "delete"),
            (2, "create"),
            (3, "update"),
            (4, "create"),
            (5, "create"),
            (6, "create"),
            (7, "create"),
        ];
        let statuses = statuses.map(|(at, action)| status(at, action));
        assert_eq!(statuses, [201, 400, 201, 400, 400, 400, 400, 400].map(|status| json!(status)));
        assert_eq!(answer["items"][0]["index"]["_id"], "7");
        assert_eq!(answer["items"][7]["create"]["error"]["reason"], "bad_json: at byte 3");
        // The same document has the same id.
        let again = BulkRequest::read(body.as_bytes(), Some("x")).unwrap();
        assert_eq!(again.items[2].id, request.items[2].id);
    }

    #[test]
    fn what_is_no_bulk_request_is_refused_as_a_whole() {
        for (body, said) in [
            ("", "no items"),
            ("\n\n", "no items"),
            ("{\"a\":1}\n", "line 1: no action"),
            ("{\"index\":{}}\n{}\n{\"eventName\":1}\n", "line 3: no action"),
            ("{\"index\":{}}", "no document follows"),
            ("[1]\n[2]\n", "no action"),
        ] {
            let error = BulkRequest::read(body.as_bytes(), Some("i")).unwrap_err();
            assert!(error.contains(said), "{body}: {error}");
        }
        let many = "{\"delete\":{}}\n".repeat(MOST_ITEMS + 1);
        assert!(BulkRequest::read(many.as_bytes(), Some("i")).unwrap_err().contains("several"));
        // Without an index no document is judged.
        let none = BulkRequest::read(b"{\"index\":{}}\n{\"a\":1}\n", None).unwrap();
        assert!(none.lines.is_empty());
        assert_eq!(none.answer(&BodyResult::default(), 0)["errors"], true);
    }
}

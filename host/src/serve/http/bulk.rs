//! Elasticsearch's `_bulk`: pairs of lines become search hits with their index, and each item has its own result.
//!
//! In: a body, unpacked as it is read, untrusted. Out: NDJSON in which line N is the document of item N, as a hit with its
//! index, and the items; their answer is `bulk_answer`'s. A document has to be one JSON object: else its bytes could end
//! the hit that it is put in. What else is wrong with it, the loop says. It says at each line how much it holds.

use super::bulk_lines::BulkLines;
use super::exchange::{Refusal, too_many_events};
use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::Read;
use std::ops::Range;

/// Items of one request.
pub(super) const MOST_ITEMS: usize = 100_000;

/// One item, and what became of it before it was judged. Its texts are those of the request.
#[derive(Debug)]
pub(super) struct BulkItem {
    action: &'static str,
    index: u32,
    id: Range<usize>,
    document: ItemDocument,
}

#[derive(Debug)]
enum ItemDocument {
    /// The line of what is judged.
    Line(u64),
    /// Why it is not.
    Refused(Range<usize>),
}

impl BulkItem {
    /// What was asked for.
    pub(super) fn action(&self) -> &'static str {
        self.action
    }

    /// Its line in what is judged, from 1; nothing where it is not.
    pub(super) fn line(&self) -> Option<u64> {
        match self.document {
            ItemDocument::Line(line) => Some(line),
            ItemDocument::Refused(_) => None,
        }
    }
}

/// A bulk request, taken apart.
#[derive(Debug, Default)]
pub(super) struct BulkRequest {
    items: Vec<BulkItem>,
    /// How many of them are judged.
    judged: u64,
    /// What is judged.
    pub(super) lines: Vec<u8>,
    /// The items' ids, and why some are refused.
    texts: String,
    /// Each index once.
    indices: Vec<String>,
    /// Where it is there.
    index_numbers: HashMap<String, u32>,
    index_bytes: usize,
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

/// How a request is read.
pub(super) struct BulkReading<'r> {
    /// The index of the path.
    pub(super) index: Option<&'r str>,
    /// How many documents may be in it.
    pub(super) most_events: u64,
    /// How many bytes of one.
    pub(super) max_event: usize,
    /// Hears how many bytes it holds by now; refuses more.
    pub(super) holds: &'r mut dyn FnMut(usize) -> Result<(), Refusal>,
}

impl BulkRequest {
    /// Takes a body apart.
    ///
    /// # Errors
    /// Where it is no bulk request, or too large: nothing of it was judged.
    pub(super) fn read(body: impl Read, how: &mut BulkReading<'_>) -> Result<Self, Refusal> {
        let mut request = Self::default();
        let mut lines = BulkLines::new(body, how.max_event);
        loop {
            let size = request.size();
            if !lines.next_action(&mut |line| (how.holds)(size + line))? {
                break;
            }
            let number = lines.number;
            if request.items.len() == MOST_ITEMS {
                let reason = format!("more than {MOST_ITEMS} items; send them in several requests");
                return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_items", reason));
            }
            let action: Action =
                serde_json::from_slice(lines.line.trim_ascii()).map_err(|error| {
                    bad(format!("line {number}: no action of a bulk request: {error}"))
                })?;
            let (name, target, has_document) = match action {
                Action::Index(target) => ("index", target, true),
                Action::Create(target) => ("create", target, true),
                Action::Update(target) => ("update", target, true),
                Action::Delete(target) => ("delete", target, false),
            };
            if has_document && !lines.next(&mut |line| (how.holds)(size + line))? {
                return Err(bad(format!("line {number}: no document follows the action")));
            }
            let document = match lines.is_too_long {
                _ if !has_document => Ok(&[][..]),
                false => Ok(lines.line.trim_ascii()),
                true => Err(how.max_event),
            };
            request.add(number, name, target, how.index, document);
            if request.judged > how.most_events {
                return Err(too_many_events(how.most_events));
            }
            (how.holds)(request.size() + lines.line.capacity())?;
        }
        if request.items.is_empty() {
            return Err(bad(
                "no items: a bulk request is pairs of lines, an action and a document".into(),
            ));
        }
        request.index_numbers = HashMap::new();
        Ok(request)
    }

    fn add(
        &mut self,
        number: u64,
        action: &'static str,
        target: ActionTarget,
        index: Option<&str>,
        document: Result<&[u8], usize>,
    ) {
        let most = document.err();
        let document = document.unwrap_or_default();
        let id = match target._id {
            Some(Value::String(id)) => self.text(&id),
            Some(Value::Number(id)) => self.text(&id.to_string()),
            // The same document has the same one, however often it is sent.
            _ => self.text(blake3::hash(document).to_hex().get(..20).unwrap_or_default()),
        };
        let index = target._index.as_deref().or(index).unwrap_or_default();
        let refusal = match action {
            _ if index.is_empty() => {
                Some("the item names no index, and the path neither".to_owned())
            }
            "index" | "create" => match most {
                Some(most) => Some(format!(
                    "too_large: the document has more than {} bytes; start with --max-event for larger ones",
                    crate::numbers::number(most as u64)
                )),
                None => no_object(document),
            },
            _ => Some(
                "events are only added here: index and create are taken, update and delete not"
                    .to_owned(),
            ),
        };
        let document = match refusal {
            Some(reason) => ItemDocument::Refused(self.text(&format!("line {number}: {reason}"))),
            None => {
                self.lines.extend_from_slice(b"{\"_index\":");
                self.lines.extend_from_slice(json!(index).to_string().as_bytes());
                self.lines.extend_from_slice(b",\"_source\":");
                self.lines.extend_from_slice(document);
                self.lines.extend_from_slice(b"}\n");
                self.judged += 1;
                ItemDocument::Line(self.judged)
            }
        };
        let index = self.index_number(index);
        self.items.push(BulkItem { action, index, id, document });
    }

    fn text(&mut self, text: &str) -> Range<usize> {
        let start = self.texts.len();
        self.texts.push_str(text);
        start..self.texts.len()
    }

    fn index_number(&mut self, index: &str) -> u32 {
        if let Some(number) = self.index_numbers.get(index) {
            return *number;
        }
        // There are no more of them than items.
        let number = self.indices.len() as u32;
        self.indices.push(index.to_owned());
        self.index_numbers.insert(index.to_owned(), number);
        // It is there twice, with what both need to find it.
        self.index_bytes += 2 * (index.len() + size_of::<String>()) + 16;
        number
    }

    /// How many bytes it holds.
    pub(super) fn size(&self) -> usize {
        let items = self.items.len() * size_of::<BulkItem>();
        items + self.lines.len() + self.texts.len() + self.index_bytes
    }

    /// The items.
    pub(super) fn items(&self) -> &[BulkItem] {
        &self.items
    }

    /// An item's id.
    pub(super) fn id(&self, item: &BulkItem) -> &str {
        self.texts.get(item.id.clone()).unwrap_or_default()
    }

    /// An item's index.
    pub(super) fn index(&self, item: &BulkItem) -> &str {
        self.indices.get(item.index as usize).map_or("", String::as_str)
    }

    /// Why an item is not judged; empty where it is.
    pub(super) fn reason(&self, item: &BulkItem) -> &str {
        match &item.document {
            ItemDocument::Line(_) => "",
            ItemDocument::Refused(reason) => self.texts.get(reason.clone()).unwrap_or_default(),
        }
    }

    /// How many items there are.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// How many of them are not judged.
    pub(super) fn refused(&self) -> u64 {
        (self.items.len() as u64).saturating_sub(self.judged)
    }
}

fn bad(reason: String) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "bad_bulk", reason)
}

/// Why a line is no JSON object.
fn no_object(document: &[u8]) -> Option<String> {
    if !document.starts_with(b"{") {
        return Some("the document is no JSON object on a line of its own".to_owned());
    }
    let read = serde_json::from_slice::<IgnoredAny>(document);
    read.err().map(|error| format!("the document is no JSON object: {error}"))
}

#[cfg(test)]
mod tests {
    use super::super::bulk_answer::BulkAnswer;
    use super::*;
    use crate::serve::ledger::{BodyFault, BodyResult};

    fn read(body: &[u8], index: Option<&str>) -> Result<BulkRequest, Refusal> {
        let (most_events, max_event, holds) = (1 << 20, 1 << 20, &mut |_| Ok(()));
        BulkRequest::read(body, &mut BulkReading { index, most_events, max_event, holds })
    }

    fn answer(request: BulkRequest, result: BodyResult) -> Value {
        BulkAnswer::new(request, result, 3, None).all()
    }

    fn fault(line: u64) -> BodyFault {
        BodyFault { line, record: None, code: "bad_json".into(), reason: "at byte 3".into() }
    }

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
        let request = read(body.as_bytes(), Some("logs-\"b")).unwrap();
        let lines = String::from_utf8(request.lines.clone()).unwrap();
        assert_eq!(
            lines,
            concat!(
                "{\"_index\":\"logs-a\",\"_source\":{\"a\":1}}\n",
                "{\"_index\":\"logs-\\\"b\",\"_source\":{\"a\":2}}\n",
                "{\"_index\":\"logs-\\\"b\",\"_source\":{\"a\":3}}\n",
            )
        );
        let ids: Vec<_> = request.items.iter().map(|item| request.id(item).to_owned()).collect();
        let mut result = BodyResult::new(false, 9);
        result.faults = vec![fault(3), fault(3)];
        let answer = answer(request, result);
        assert_eq!((&answer["errors"], &answer["took"]), (&json!(true), &json!(3)));
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
        let first = &answer["items"][0]["index"];
        let created = json!({
            "_id": "7", "_index": "logs-a", "_version": 1, "result": "created", "_seq_no": 0,
            "_shards": { "total": 1, "successful": 1, "failed": 0 }, "_primary_term": 1,
            "status": 201,
        });
        assert_eq!(first, &created);
        // The same document has the same id.
        let again = read(body.as_bytes(), Some("x")).unwrap();
        assert_eq!(again.id(&again.items[2]), ids[2]);
    }

    #[test]
    fn blank_lines_are_passed_over_and_the_others_have_their_numbers() {
        let mut body = b" \r\n\n".repeat(100_000);
        body.extend_from_slice(b"{\"create\":{}}\n{no json}\n\n\n{\"create\":{}}\n\n\t");
        let request = read(&body, Some("i")).unwrap();
        let reasons: Vec<_> = request.items.iter().map(|item| request.reason(item)).collect();
        assert!(reasons[0].starts_with("line 200001: the document is no"), "{reasons:?}");
        assert!(reasons[1].starts_with("line 200005: the document is no"), "{reasons:?}");
        assert_eq!(request.lines.len(), 0);
    }

    #[test]
    fn what_it_holds_is_told_before_it_is_held() {
        let line = format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20));
        let body = format!("{{\"create\":{{}}}}\n{line}\n").repeat(4);
        let mut most = 0;
        let mut read = |limit: usize| {
            let holds = &mut |bytes: usize| {
                most = most.max(bytes);
                let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, "busy", "");
                if bytes > limit { Err(refusal) } else { Ok(()) }
            };
            let (index, most_events, max_event) = (Some("i"), 9, 2 << 20);
            let mut how = BulkReading { index, most_events, max_event, holds };
            BulkRequest::read(body.as_bytes(), &mut how)
        };
        let request = read(usize::MAX).unwrap();
        assert!(request.size() > 4 << 20);
        assert_eq!(read(3 << 20).unwrap_err().status, StatusCode::TOO_MANY_REQUESTS);
        assert!((4 << 20..8 << 20).contains(&most), "{most}");
    }

    #[test]
    fn more_documents_than_events_may_be_in_a_body_are_refused() {
        let body = "{\"create\":{}}\n{}\n".repeat(3);
        let read = |most_events| {
            let (index, max_event, holds) = (Some("i"), 100, &mut |_| Ok(()));
            let mut how = BulkReading { index, most_events, max_event, holds };
            BulkRequest::read(body.as_bytes(), &mut how)
        };
        assert_eq!(read(3).unwrap().len(), 3);
        let refusal = read(2).unwrap_err();
        assert_eq!(refusal.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert!(refusal.reason.contains("more than 2 events"), "{refusal:?}");
    }

    #[test]
    fn of_a_document_that_is_too_large_no_more_is_kept_and_the_next_is_read() {
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(3 << 20));
        let body = format!("{{\"create\":{{}}}}\n{large}\n{{\"create\":{{}}}}\n{{}}\n");
        let request = read(body.as_bytes(), Some("i")).unwrap();
        let reasons: Vec<_> = request.items.iter().map(|item| request.reason(item)).collect();
        assert!(reasons[0].starts_with("line 1: too_large: "), "{reasons:?}");
        assert!(reasons[0].contains("1,048,576 bytes"), "{reasons:?}");
        assert_eq!(request.lines, b"{\"_index\":\"i\",\"_source\":{}}\n");
    }

    #[test]
    fn a_long_answer_is_made_in_pieces_that_are_the_whole() {
        let request = read(&b"{\"index\":{}}\n{}\n".repeat(5_000), Some("i")).unwrap();
        let mut result = BodyResult::new(false, 9);
        result.faults = vec![fault(4_999), fault(2), fault(2)];
        let answer = answer(request, result);
        let items = answer["items"].as_array().unwrap();
        let refused = (0..).zip(items).filter(|(_, item)| item["index"]["status"] == 400);
        assert_eq!(items.len(), 5_000);
        assert_eq!(refused.map(|(number, _)| number).collect::<Vec<i32>>(), [1, 4_998]);
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
            let error = read(body.as_bytes(), Some("i")).unwrap_err().reason;
            assert!(error.contains(said), "{body}: {error}");
        }
        let many = "{\"delete\":{}}\n".repeat(MOST_ITEMS + 1);
        let many = read(many.as_bytes(), Some("i")).unwrap_err();
        assert!(many.reason.contains("several") && many.status == StatusCode::PAYLOAD_TOO_LARGE);
        // Without an index no document is judged.
        let none = read(b"{\"index\":{}}\n{\"a\":1}\n", None).unwrap();
        assert!(none.lines.is_empty());
        assert_eq!(answer(none, BodyResult::default())["errors"], true);
    }
}

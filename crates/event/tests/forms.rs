//! What a text is taken for: event, envelope of one, of several, of none. And what is refused.

use firstseen_event::{EventReader, FieldRequest, ReadOutcome, Scratch};
use firstseen_value::Value;
use serde_json::json;

fn reader() -> EventReader {
    EventReader::new(vec![FieldRequest::Values("event.action".into())])
}

const RAW: &str = r#"{"eventVersion":"1.08","eventTime":"2024-05-01T10:00:00Z","eventSource":"s3.amazonaws.com","eventName":"PutObject","eventID":"e-1"}"#;

/// What `read` says, in a word; for events the action, the identity and the dataset.
fn read(text: &str) -> String {
    let reader = reader();
    let mut scratch = Scratch::default();
    match reader.read(text, &mut scratch) {
        Ok(ReadOutcome::Event(fields)) => {
            let actions: Vec<_> = fields.values(0).map(Value::into_text).collect();
            let id = fields.id().unwrap_or("no id".into());
            format!("{} {id} {:?}", actions.join("+"), fields.dataset())
        }
        Ok(ReadOutcome::Inner(inner, _)) => format!("inner {inner}"),
        Ok(ReadOutcome::NoEvent(what)) => format!("nothing: {what}"),
        Ok(ReadOutcome::SeveralEvents(what)) => format!("many: {what}"),
        Ok(ReadOutcome::SeveralInner(text)) => format!("many in {text}"),
        Err(error) => format!("{}@{}", error.code, error.at),
    }
}

#[test]
fn single_event_envelopes_are_opened_in_place() {
    let raw = "PutObject e-1 \"aws.cloudtrail\"";
    assert_eq!(read(RAW), raw);
    let bridge = format!(
        r#"{{"version":"0","id":"b","detail-type":"AWS API Call via CloudTrail","source":"aws.s3","resources":[],"detail":{RAW}}}"#
    );
    assert_eq!(read(&bridge), raw);
    // The order of keys does not matter.
    assert_eq!(read(&format!(r#"{{"detail":{RAW},"source":"aws.s3","detail-type":"x"}}"#)), raw);
    assert_eq!(read(&format!(r#"{{"_index":"i","_id":"x","_source":{RAW}}}"#)), raw);
    let ecs = r#"{"@timestamp":"2024-05-01T10:00:00Z","event":{"action":"a"}}"#;
    assert_eq!(read(&format!(r#"{{"_source":{ecs},"_id":"x"}}"#)), "a x \"\"");
    assert_eq!(
        read(&format!(
            r#"{{"_id":"x","_source":{{"detail-type":"t","source":"aws.s3","detail":{RAW}}}}}"#
        )),
        raw
    );
    // What stands beside the event is not the event's.
    let outside = format!(r#"{{"_id":"x","event.action":"no","_source":{ecs}}}"#);
    assert_eq!(read(&outside), "a x \"\"");
}

#[test]
fn events_in_strings_are_handed_out() {
    let inner = format!("inner {RAW}");
    assert_eq!(read(&json!({"EventId": "e", "CloudTrailEvent": RAW}).to_string()), inner);
    // A line that a pipeline did not parse.
    assert_eq!(read(&json!({"date": 1, "log": RAW, "tag": "t"}).to_string()), inner);
    assert_eq!(read(&json!({"log": RAW, "@timestamp": "2024-05-01T10:00:00Z"}).to_string()), inner);
    let beat = json!({"@timestamp": "2024-05-01T10:00:00Z", "message": RAW, "host": {"name": "h"}});
    assert_eq!(read(&beat.to_string()), inner);
    let agent = json!({"@timestamp": "x", "event": {"original": RAW, "dataset": "aws.cloudtrail"}});
    assert_eq!(read(&agent.to_string()), inner);
    assert_eq!(read(&json!({"_id": "x", "_source": {"message": RAW}}).to_string()), inner);
    // JSON may write any character as an escape, those that tell an event included.
    let escaped =
        beat.to_string().replace("eventName", r"\u0065ventName").replace("{\\\"", r"\u007b\u0022");
    assert!(escaped.contains(r#""\u007b\u0022"#));
    assert_eq!(read(&escaped), inner);
    // A document that was parsed already keeps its own fields.
    let parsed = json!({"event": {"original": RAW, "action": "a", "id": "i"}});
    assert_eq!(read(&parsed.to_string()), "a i \"\"");
    // A message that is JSON, but no event, belongs to its document.
    let other = json!({"@timestamp": "x", "message": "{\"level\":\"info\"}"});
    assert_eq!(read(&other.to_string()), " no id \"\"");
}

/// A text is opened by what it is, never by the words in it.
#[test]
fn words_in_a_text_do_not_open_it() {
    let own = "a no id \"k\"";
    for text in [
        r#"{"userAgent":"eventName eventSource eventVersion eventTime"}"#.to_owned(),
        r#"{"eventVersion":"1","eventTime":"t"}"#.to_owned(),
        format!(r#"{{"a":{RAW}}}"#),
        format!("log: {RAW}"),
        format!("[[{RAW}]]"),
        format!(r#"{{"Records":[{RAW}],"x":1}}"#),
        RAW.replace("eventSource", "event.action"),
        RAW.get(..RAW.len() - 1).unwrap().to_owned(),
    ] {
        for place in ["message", "original"] {
            let mut document = json!({"@timestamp": 1, "event": {"kind": "event"}});
            if place == "message" {
                document["message"] = json!(text);
            } else {
                document["event"]["original"] = json!(text);
            }
            assert_eq!(read(&document.to_string()), " no id \"\"", "{text}");
        }
    }
    // A document of another dataset keeps its own fields, and one that was parsed as well.
    for other in ["k", "aws.vpcflow"] {
        let document = json!({"event": {"dataset": other, "kind": "a"}, "message": RAW});
        assert_eq!(read(&document.to_string()), format!(" no id {other:?}"));
        let document = json!({"data_stream.dataset": other, "@timestamp": 1, "message": RAW});
        assert_eq!(read(&document.to_string()), format!(" no id {other:?}"));
    }
    let document = json!({"event": {"module": "nginx"}, "@timestamp": 1, "message": RAW});
    assert_eq!(read(&document.to_string()), " no id \"\"");
    let document = json!({"event": {"module": "aws"}, "@timestamp": 1, "message": RAW});
    assert_eq!(read(&document.to_string()), format!("inner {RAW}"));
    let document = json!({"event": {"action": "a", "dataset": "k", "original": RAW}});
    assert_eq!(read(&document.to_string()), own);
    // A raw event beside another dataset's name is that dataset's.
    let mut event: serde_json::Value = serde_json::from_str(RAW).unwrap();
    event["event"] = json!({"dataset": "k"});
    assert_eq!(read(&event.to_string()), " no id \"k\"");
}

/// Who may write to an envelope decides whether it counts; an entry of `trust_envelopes` opens it.
#[test]
fn envelopes_that_others_write_to_are_named() {
    let bridge = |source: &str| json!({"detail-type": "t", "source": source, "detail": serde_json::from_str::<serde_json::Value>(RAW).unwrap()});
    let hit = |index: &str, source: serde_json::Value| json!({"_index": index, "_id": "x", "_source": source});
    let raw = || serde_json::from_str::<serde_json::Value>(RAW).unwrap();
    for (document, entry) in [
        (bridge("com.shop"), "source:com.shop"),
        (bridge("aws.partner/shop/1"), "source:aws.partner/shop/1"),
        (json!({"log": RAW, "stream": "stdout"}), "log"),
        (json!({"id": "1", "timestamp": 1, "message": RAW}), "log-group:-"),
        (json!({"logStreamName": "s", "logGroup": "g", "message": RAW}), "log-group:g"),
        (hit("logs-nginx.access-default", raw()), "index:logs-nginx.access-default"),
        (
            hit("logs-nginx.access-default", json!({"message": RAW})),
            "index:logs-nginx.access-default",
        ),
        (hit("logs-x-y", bridge("aws.s3")), "index:logs-x-y"),
    ] {
        let text = document.to_string();
        assert_eq!(read(&text), format!("nothing: not opened: {entry}"), "{text}");
        let trust = firstseen_event::Trust::read([entry]).unwrap();
        let (reader, mut scratch) = (reader(), Scratch::default());
        match reader.read_trusting(&text, &mut scratch, &trust).unwrap() {
            ReadOutcome::Event(fields) => assert!(fields.is_raw(), "{text}"),
            ReadOutcome::Inner(inner, _) => assert_eq!(inner, RAW),
            other => panic!("{text}: {other:?}"),
        }
    }
    assert_eq!(
        read(&json!({"detail-type": "t", "source": "com.shop", "detail": {"a": 1}}).to_string()),
        "nothing: EventBridge event of something else"
    );
    // What an event has beside a text is judged all the same.
    let document =
        json!({"@timestamp": 1, "event.dataset": "nginx.access", "message": RAW}).to_string();
    let (reader, mut scratch) = (reader(), Scratch::default());
    let Ok(ReadOutcome::Event(fields)) = reader.read(&document, &mut scratch) else { panic!() };
    assert_eq!(fields.unopened(), Some("dataset:nginx.access"));
    // CloudTrail's own streams and indexes are trusted.
    let stream = "111122223333_CloudTrail_us-east-1";
    let line = json!({"logStream": stream, "message": RAW});
    assert_eq!(read(&line.to_string()), format!("inner {RAW}"));
    let ours = hit("logs-aws.cloudtrail-default", raw());
    assert_eq!(read(&ours.to_string()), "PutObject e-1 \"aws.cloudtrail\"");
}

#[test]
fn objects_without_events_are_named() {
    for (text, what) in [
        (json!({"digestS3Bucket": "b", "digestS3Object": "o"}), "CloudTrail digest"),
        (json!({"messageType": "CONTROL_MESSAGE", "logEvents": []}), "CloudWatch control message"),
        (json!({"Type": "Notification", "Message": "m"}), "SNS notification"),
        (json!({"s3Bucket": "b", "s3ObjectKey": ["k"]}), "SNS notification"),
        (json!({"Service": "Amazon S3", "Event": "s3:TestEvent"}), "S3 test event"),
        (json!({"eventSource": "aws:s3", "eventName": "ObjectCreated:Put"}), "S3 notification"),
        (json!({"data": {"aws": {"eventName": "x"}}, "rule": {"level": 3}}), "Wazuh alert"),
        (json!({"result": {"_raw": "x"}}), "Splunk event"),
        (
            json!({"time": 1, "sourcetype": "aws:cloudtrail", "event": {"eventName": "a"}}),
            "Splunk HEC event",
        ),
        (json!({"resourceLogs": []}), "OTLP log records"),
        (json!({"streams": []}), "Loki streams"),
        (json!({"eventData": "{}"}), "CloudTrail Lake eventData"),
        (json!({"class_uid": 6003}), "OCSF event"),
        (json!({"_id": "x", "fields": {}}), "search hit with fields and no _source"),
        (json!({"a": 1}), "JSON that is neither CloudTrail nor ECS"),
    ] {
        assert_eq!(read(&text.to_string()), format!("nothing: {what}"));
    }
}

#[test]
fn envelopes_of_several_are_left_to_the_splitter() {
    for (text, what) in [
        (json!({"Records": []}), "CloudTrail Records"),
        (json!({"owner": "o", "logEvents": [{}]}), "CloudWatch Logs subscription"),
        (json!({"Events": []}), "LookupEvents result"),
        (json!({"records": []}), "Firehose records"),
        (json!({"awslogs": {"data": ""}}), "CloudWatch Logs for Lambda"),
        (json!({"took": 1, "hits": {"hits": []}}), "Elasticsearch search result"),
    ] {
        assert_eq!(read(&text.to_string()), format!("many: {what}"));
    }
    let several = format!("[{RAW},{RAW}]");
    assert_eq!(read(&json!({"message": several}).to_string()), format!("many in {several}"));
    // The same keys in an ECS document are its fields.
    let ecs = json!({"@timestamp": 1, "Records": [], "hits": {}, "Events": [], "detail": {}});
    assert_eq!(read(&ecs.to_string()), " no id \"\"");
}

#[test]
fn faults_name_their_place() {
    for (text, fault) in [
        ("", "bad_json@0"),
        ("  ", "bad_json@2"),
        ("[]", "not_an_object@0"),
        (" null", "not_an_object@1"),
        ("nul", "bad_json@0"),
        ("{", "bad_json@1"),
        (r#"{"a":1,}"#, "bad_json@7"),
        (r#"{"a" 1}"#, "bad_json@5"),
        (r#"{"a":1]"#, "bad_json@6"),
        (r#"{"a":01}"#, "bad_json@6"),
        (r#"{"a":1.}"#, "bad_json@7"),
        (r#"{"a":"\x"}"#, "bad_json@6"),
        ("{\"a\":\"b\nc\"}", "bad_json@7"),
        (r#"{"a":"b"#, "bad_json@7"),
        (r#"{"a":True}"#, "bad_json@5"),
        (r#"{"a":[1,]}"#, "bad_json@8"),
        (r#"{} {}"#, "bad_json@3"),
    ] {
        assert_eq!(read(text), fault, "{text}");
    }
}

/// Whoever is logged chooses texts and numbers: none of these makes an event unread, asked for or not.
#[test]
fn half_a_surrogate_pair_and_a_number_beyond_doubles_are_read() {
    for (event, action) in [
        (r#"{"a":"\ud800x","event":{"action":"b"}}"#, "b"),
        (r#"{"\ude00":1,"event":{"action":"b\ud800"}}"#, "b\u{fffd}"),
        (r#"{"a":[1e999,-1e999],"event":{"action":"b"}}"#, "b"),
        (r#"{"event":{"action":1e999}}"#, "1e999"),
    ] {
        assert_eq!(read(event), format!("{action} no id \"\""), "{event}");
        let document = firstseen_event::document(event).expect(event);
        let mut text = String::new();
        firstseen_event::json::write_object(&document, &mut text);
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
    }
}

#[test]
fn nesting_is_bounded_and_never_recursed_into() {
    let deep = |levels: usize| {
        format!(r#"{{"x":{}{},"event":{{"action":"a"}}}}"#, "[".repeat(levels), "]".repeat(levels))
    };
    assert_eq!(read(&deep(126)), "a no id \"\"");
    assert_eq!(read(&deep(127)), "too_deep@131");
    assert!(read(&deep(100_000)).starts_with("too_deep@"));
    // No shallower and no deeper than serde_json, which makes the alerts' documents.
    for levels in 120..135 {
        let readable = serde_json::from_str::<serde_json::Value>(&deep(levels)).is_ok();
        assert_eq!(!read(&deep(levels)).starts_with("too_deep"), readable, "{levels}");
        assert_eq!(firstseen_event::document(&deep(levels)).is_ok(), readable, "{levels}");
    }
    // The same on the way to an asked field.
    let asked = |levels: usize| {
        format!(r#"{{"event":{{"action":{}"a"{}}}}}"#, "[".repeat(levels), "]".repeat(levels))
    };
    assert_eq!(read(&asked(125)), "a no id \"\"");
    assert!(read(&asked(126)).starts_with("too_deep@"));
    assert!(read(&asked(100_000)).starts_with("too_deep@"));
    assert!(read(&r#"{"event":"#.repeat(100_000)).starts_with("too_deep@"));
    assert!(read(&r#"{"_id":"x","_source":"#.repeat(100_000)).starts_with("too_deep@"));
    let envelopes = |count: usize| {
        let (open, close) = (r#"{"_id":"x","_source":"#.repeat(count), "}".repeat(count));
        format!(r#"{open}{{"event.action":"a"}}{close}"#)
    };
    assert_eq!(read(&envelopes(4)), "a x \"\"");
    assert!(read(&envelopes(5)).starts_with("too_deep@"));
}

#[test]
fn too_many_values_are_an_error() {
    let many = |path: &str| format!(r#"{{"@timestamp":1,"{path}":[0{}]}}"#, ",0".repeat(1 << 20));
    assert!(read(&many("event.action")).starts_with("too_large@"));
    // Where nobody asks they are skipped; a document would hold them all.
    assert_eq!(read(&many("other")), " no id \"\"");
    let error = firstseen_event::document(&many("other")).expect_err("too large");
    assert_eq!(error.code, "too_large");
}

#[test]
fn objects_of_a_nested_query_are_never_taken_for_envelopes() {
    let reader = EventReader::for_objects(vec![FieldRequest::Values("name".into())]);
    let mut scratch = Scratch::default();
    let text = r#"{"Records":[],"eventName":"x","eventSource":"y","name":"n"}"#;
    let Ok(ReadOutcome::Event(fields)) = reader.read(text, &mut scratch) else { panic!() };
    assert_eq!(fields.values(0).collect::<Vec<_>>(), [Value::Text("n".into())]);
}

//! What a person reads, to the letter.
use super::*;
use proptest::prelude::*;
use serde_json::json;

fn flagship() -> Value {
    json!({
        "@timestamp": "2026-11-03T09:14:07.000Z",
        "cloud": {"account": {"id": "111122223333"}, "region": "us-east-1"},
        "user": {"name": "alice"},
        "source": {"ip": "203.0.113.7"},
        "user_agent": {"original": "aws-cli/2.15.30 Python/3.11.8 Linux/6.1.0 exe/x86_64.debian.12 \
            prompt/off command/cloudformation.create-stack"},
        "event": {"action": "CreateStack", "provider": "cloudformation.amazonaws.com",
            "outcome": "success", "kind": "signal", "dataset": "aws.cloudtrail"},
        "aws": {"cloudtrail": {
            "user_identity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/alice"},
            "flattened": {"request_parameters": {
                "stackName": "payments-prod",
                "templateURL": "https://templates.s3.amazonaws.com/payments.yaml",
                "capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]}}}},
        "kibana.alert.rule.name": "First Time AWS Cloudformation Stack Creation by User",
        "kibana.alert.severity": "medium",
        "kibana.alert.risk_score": 47,
        "kibana.alert.original_time": "2026-11-03T09:14:07.000Z",
        "kibana.alert.rule.new_terms_fields": ["cloud.account.id", "user.name"],
        "kibana.alert.new_terms": ["111122223333", "alice"],
        "kibana.alert.rule.threat": [{"framework": "MITRE ATT&CK",
            "tactic": {"id": "TA0002", "name": "Execution"}, "technique": []}],
        "kibana.alert.uuid": "0b1d6c0c7f5a4f7b9f3c2a1e8d7c6b5a",
        "firstseen": {"window": "10d"}
    })
}

#[test]
fn the_flagship_at_80_columns() {
    let shown = pretty(&flagship(), false, 80);
    assert_eq!(
        shown,
        "\
medium: First Time AWS Cloudformation Stack Creation by User
  when    2026-11-03 09:14:07 UTC, risk score 47
  who     alice, IAMUser, account 111122223333
          arn:aws:iam::111122223333:user/alice
  from    203.0.113.7, us-east-1
          aws-cli/2.15.30 Python/3.11.8 Linux/6.1.0 exe/x86_64.debian.12 prompt…
  what    CreateStack, cloudformation.amazonaws.com, success
          stack     payments-prod
          template  https://templates.s3.amazonaws.com/payments.yaml
          allows    CAPABILITY_IAM, CAPABILITY_AUTO_EXPAND
  new     cloud.account.id  111122223333
          user.name         alice
  before  never in the state (window 10d)
  tactic  Execution (TA0002)
  alert   0b1d6c0c7f5a4f7b9f3c2a1e8d7c6b5a
"
    );
    assert!(shown.lines().all(|line| line.width() <= 80));
}

#[test]
fn colour_only_adds_sequences() {
    let plain = pretty(&flagship(), false, 80);
    let coloured = pretty(&flagship(), true, 80);
    assert!(coloured.starts_with("\x1b[1m\x1b[33mmedium\x1b[0m: \x1b[1mFirst Time"));
    assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
}

#[test]
fn the_sighting_before_and_a_stack_set_with_an_inline_template() {
    let mut alert = flagship();
    alert["firstseen"]["previous_sighting"] = json!("2026-10-01T08:00:00.250Z");
    alert["aws"]["cloudtrail"]["flattened"]["request_parameters"] =
        json!({"stackSetName": "baseline"});
    let shown = pretty(&alert, false, 80);
    assert!(
        shown.contains("  before  2026-10-01 08:00:00.250 UTC, 33 days earlier (window 10d)\n"),
        "{shown}"
    );
    assert!(
        shown.contains(
            "
          stack set  baseline
          template   inline, its text is not in the event
"
        ),
        "{shown}"
    );
}

#[test]
fn the_fields_of_a_dataset_are_shown_for_it_alone() {
    let mut alert = flagship();
    alert["event"]["dataset"] = json!("another");
    let shown = pretty(&alert, false, 80);
    assert!(shown.contains("  who     alice, account 111122223333\n  from"), "{shown}");
    assert!(shown.contains("success\n  new"), "{shown}");
}

#[test]
fn what_is_missing_is_left_out() {
    let alert = json!({
        "kibana.alert.rule.name": "New service on a host",
        "kibana.alert.severity": null,
        "kibana.alert.reason": "event on web-1 created low alert New service on a host.",
        "kibana.alert.new_terms": [["a", 1], null],
        "user": {"name": null}, "source": {}, "cloud": []
    });
    assert_eq!(
        pretty(&alert, false, 80),
        "\
alert: New service on a host
  what    event on web-1 created low alert New service on a host.
  new     a, 1
"
    );
    for odd in [json!(null), json!([]), json!({}), json!("text"), json!({"kibana": 1})] {
        assert_eq!(pretty(&odd, false, 80), "alert: alert\n");
    }
}

#[test]
fn text_from_events_cannot_act_on_the_terminal() {
    let mut alert = flagship();
    alert["user"]["name"] = json!("eve\x1b[2J\nmedium: all is well\u{202e}");
    alert["kibana.alert.new_terms"] = json!(["\x07", "a\tb"]);
    alert["kibana.alert.rule.name"] = json!("\x1b]0;title\x07");
    let shown = pretty(&alert, false, 120);
    assert!(shown.contains("who     eve\\u{1b}[2J\\nmedium: all is well\\u{202e}, IAMUser"));
    assert!(shown.starts_with("medium: \\u{1b}]0;title\\u{7}\n"));
    assert!(shown.contains("user.name         a\\tb\n"), "{shown}");
}

#[test]
fn wide_letters_are_cut_by_their_columns() {
    assert_eq!(cut("漢字 漢字漢字 漢字", 18), "漢字 漢字漢字 漢字");
    assert_eq!(cut("漢字 漢字漢字 漢字", 17), "漢字 漢字漢字 漢…");
    assert_eq!(cut("漢字 漢字漢字 漢字", 16), "漢字 漢字漢字 …");
    assert_eq!(cut("plain text here", 10), "plain tex…");
}

#[test]
fn long_addresses_keep_both_ends() {
    assert_eq!(
        cut("https://example.org/templates/payments.yaml", 27),
        "https://examp…payments.yaml"
    );
    assert_eq!(cut("url 0123456789abcdefgh", 16), "url 012345…defgh");
    assert_eq!(cut("漢字漢字漢字漢字", 8), "漢字…字");
}

#[test]
fn a_role_shows_its_session() {
    let mut alert = flagship();
    alert["user"]["name"] = json!("ci-deploy");
    alert["aws"]["cloudtrail"]["user_identity"] = json!({
        "type": "AssumedRole",
        "arn": "arn:aws:sts::111122223333:assumed-role/ci-deploy/alice@example.org-2764152378",
    });
    let shown = pretty(&alert, false, 80);
    assert!(
        shown.contains(
            "
  who     ci-deploy, AssumedRole, account 111122223333
          session alice@example.org-2764152378
          arn:aws:sts::111122223333:assumed-r…eploy/alice@example.org-2764152378
"
        ),
        "{shown}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_line_is_wider_than_asked_and_none_acts(
        name in any::<String>(), agent in any::<String>(), term in any::<String>(),
        width in 0usize..200,
    ) {
        let mut alert = flagship();
        alert["kibana.alert.rule.name"] = json!(name);
        alert["kibana.alert.severity"] = json!(agent);
        alert["user_agent"]["original"] = json!(agent);
        alert["kibana.alert.new_terms"] = json!([term, name]);
        alert["kibana.alert.rule.new_terms_fields"] = json!([term, agent]);
        for line in pretty(&alert, false, width).lines() {
            prop_assert!(line.width() <= width.max(NARROWEST), "{line}");
            prop_assert!(!line.chars().any(char::is_control));
        }
    }
}

#[test]
fn what_cannot_be_read_as_json_is_shown_escaped() {
    assert_eq!(render("{\"broken\x1b[31m", true, 80), "{\"broken\\u{1b}[31m\n");
}

//! Broken input: what is reported, and that the rest is kept.
mod common;

use common::{
    OutputMemory, SplitOutput, base64, brief, events, gzip, place, quoted, split, split_at,
};
use firstseen_envelope::{MAX_BAD_TEXT, SplitOptions, Splitter};

const A: &str = r#"{"eventVersion":"1.08","eventName":"x","eventSource":"y","a":1}"#;
const B: &str = r#"{"eventVersion":"1.08","eventName":"x","eventSource":"y","b":2}"#;

fn check(input: &str, expected: &[&str]) {
    assert_eq!(brief(&split(input)), expected, "{input}");
    let every_byte: Vec<usize> = (0..=input.len()).collect();
    let output = split_at(input.as_bytes(), &every_byte, SplitOptions::default());
    assert_eq!(output, split(input), "{input}");
}

#[test]
fn text_that_is_not_json() {
    check("hello\n", &["bad: not_json"]);
    check(&format!("{A}\nhello\n{B}\nbye"), &[A, "bad: not_json", B, "bad: not_json"]);
    check(&format!("{A} hello\n{B}"), &[A, "bad: not_json", B]);
    check("123\nnull\n\"text\"\n}", &["bad: not_json"; 4]);
    check("\u{feff}\u{feff} ", &[]);
    // Begins with the first byte of a byte order mark.
    check(&format!("{A}\n \u{f000}x\n"), &[A, "bad: not_json"]);
    let output = split("x\n  hello world \r\n");
    assert_eq!(output[1], SplitOutput::Bad(place(4, 2, None), "not_json", b"hello world".to_vec()));
}

#[test]
fn broken_elements_of_an_array() {
    for (before, after) in [("[", "]"), (r#"{"Records":["#, "]}")] {
        for broken in ["1", "null", "[1,2]", "x y", "", "{]", "{\"a\":1]", "}", ":"] {
            let input = format!("{before}{A},{broken},{B}{after}\n{A}");
            check(&input, &[A, "bad: bad_json", B, A]);
            let output = split(&input);
            let offset = (before.len() + A.len() + 1) as u64;
            let expected =
                SplitOutput::Bad(place(offset, 1, Some(1)), "bad_json", broken.as_bytes().to_vec());
            assert_eq!(output[1], expected);
        }
    }
    // Commas too few and too many.
    check(&format!("[{A}{B}]"), &[A, B]);
    check(&format!("[{A},]"), &[A]);
}

#[test]
fn broken_frames() {
    check(&format!("{{\"Records\":[{A}] x\n{B}"), &[A, "bad: bad_json", B]);
    check(&format!("{{\"a\" 1}}\n{B}"), &["bad: bad_json", B]);
    check(&format!("{{a:1}}\n{B}\n"), &["bad: bad_json", B]);
    check(&format!("{{\n  \"a\": ,\n  \"b\": 1\n}}\n{B}\n"), &["bad: bad_json", B]);
    let output = split("{\n  \"a\": ,\n  \"b\": 1\n}\n");
    let text = "{\n  \"a\": ,\n  \"b\": 1\n}";
    assert_eq!(output, [SplitOutput::Bad(place(0, 1, None), "bad_json", text.as_bytes().to_vec())]);
}

#[test]
fn cut_off_by_the_end() {
    let whole = format!("{{\"Records\":[{A},{B}],\"x\":1}}");
    for end in 1..whole.len() {
        let output = split(&whole[..end]);
        let mut expected: Vec<&str> = Vec::new();
        if end >= 12 + A.len() {
            expected.push(A);
        }
        if end >= 13 + A.len() + B.len() {
            expected.push(B);
        }
        expected.push("bad: truncated");
        assert_eq!(brief(&output), expected, "{}", &whole[..end]);
    }
    let output = split(&whole[..20 + A.len()]);
    let start = 13 + A.len();
    let text = whole.as_bytes()[start..20 + A.len()].to_vec();
    assert_eq!(output[1], SplitOutput::Bad(place(start as u64, 1, Some(1)), "truncated", text));
    for end in 1..A.len() {
        check(&A[..end], &["bad: truncated"]);
    }
}

/// Given piece by piece, with a pause behind each.
fn with_pauses(pieces: &[&str]) -> (Vec<usize>, Vec<SplitOutput>) {
    let mut memory = OutputMemory::default();
    let mut splitter = Splitter::new(SplitOptions::default());
    let mut counts = Vec::new();
    for piece in pieces {
        assert!(splitter.push(piece.as_bytes(), &mut memory).is_continue());
        assert!(splitter.pause(&mut memory).is_continue());
        counts.push(memory.0.len());
    }
    assert!(splitter.finish(&mut memory).is_continue());
    (counts, memory.0)
}

#[test]
fn a_line_without_an_end_is_judged_when_its_brackets_close_and_not_before() {
    let (counts, output) = with_pauses(&[A, "\n", B, " ", " \r\n", A]);
    assert_eq!(counts, [1, 1, 2, 2, 2, 3]);
    assert_eq!(brief(&output), [A, B, A]);
    assert_eq!(
        output[2],
        SplitOutput::Event(place((A.len() + B.len() + 5) as u64, 3, None), A.to_owned())
    );
    // Every bracket here but the last closes something else, or is text.
    let deep = r#"{"@timestamp":"}","a":{"b":"\"}{"},"c":[{}],"d":"e"}"#;
    let pieces: Vec<&str> = (0..deep.len()).map(|at| &deep[at..=at]).collect();
    let (counts, output) = with_pauses(&pieces);
    assert_eq!(counts[..deep.len() - 1], vec![0; deep.len() - 1]);
    assert_eq!(brief(&output), [deep]);
    for end in 1..deep.len() {
        let (counts, output) = with_pauses(&[&deep[..end]]);
        assert_eq!(counts, [0], "{end}");
        assert_eq!(brief(&output), ["bad: truncated"], "{end}");
    }
    // What follows on the line is read as if it began one.
    assert_eq!(brief(&with_pauses(&[A, " x\n", B]).1), [A, "bad: not_json", B]);
    assert_eq!(brief(&with_pauses(&[A, ",", B, ",\n", A]).1), [A, B, A]);
}

#[test]
fn cut_off_by_a_new_document() {
    // A log writer that died: wherever its line was cut, the next document is found.
    for next in [B.to_owned(), format!("{{\"Records\":[{B}]}}")] {
        for whole in [
            A.to_owned(),
            r#"{"z":[{"y":["x"]}],"@timestamp":1}"#.to_owned(),
            format!("{{\"Records\":[{A},{A}]}}"),
        ] {
            for end in 1..whole.len() {
                let output = split(format!("{}\n{next}\n{B}\n", &whole[..end]));
                let cut = &whole[..end];
                assert!(brief(&output).contains(&"bad: truncated".to_owned()), "{cut}: {output:?}");
                let found = events(&output).into_iter().filter(|event| *event == B).count();
                assert_eq!(found, 2, "{cut}: {output:?}");
            }
        }
    }
}

#[test]
fn events_over_the_limit() {
    let options = SplitOptions { max_event: 100 };
    let large = format!(r#"{{"eventVersion":"1.08","a":"{}"}}"#, "x".repeat(200_000));
    let other = format!(r#"{{"z":"{}"}}"#, "x".repeat(95));
    for input in [
        format!("{A}\n{large}\n{B}\n"),
        format!("{A}\n{other}\n{B}\n"),
        format!("[{A},{large},{B}]"),
        format!("{{\"Records\":[{A},{other},{B}]}}"),
    ] {
        for piece in [7, 1_000, 1 << 20] {
            let cuts: Vec<usize> = (0..input.len()).step_by(piece).collect();
            let output = split_at(input.as_bytes(), &cuts, options);
            assert_eq!(brief(&output), [A, "bad: too_large", B]);
            let SplitOutput::Bad(_, _, text) = &output[1] else { panic!("{output:?}") };
            assert_eq!(text.len(), if input.contains(&large) { MAX_BAD_TEXT } else { other.len() });
        }
    }
    // The limit itself is allowed.
    let output = split_at(A.as_bytes(), &[], SplitOptions { max_event: A.len() });
    assert_eq!(brief(&output), [A]);
    // An envelope may be of any size.
    let input = format!("{{\"x\":\"{}\",\"Records\":[{A}]}}", "x".repeat(500));
    assert_eq!(brief(&split_at(input.as_bytes(), &[50], options)), [A]);
}

#[test]
fn invalid_utf8() {
    let mut input = format!("[{A},").into_bytes();
    input.extend(b"{\"a\":\"\xff\"}");
    input.extend(format!(",{B}]").bytes());
    let output = split(&input);
    assert_eq!(brief(&output), [A, "bad: bad_utf8", B]);
    let SplitOutput::Bad(at, _, text) = &output[1] else { panic!("{output:?}") };
    assert_eq!((at.record, text.as_slice()), (Some(1), &b"{\"a\":\"\xff\"}"[..]));
}

#[test]
fn broken_contents_of_envelopes() {
    let kinesis = |data: &str| format!(r#"{{"Records":[{{"kinesis":{{"data":"{data}"}}}},{A}]}}"#);
    let gz = gzip(format!("{A}\n{B}\n").as_bytes());
    check(&kinesis("!!!"), &["bad: bad_base64", A]);
    check(&kinesis(""), &["bad: not_json", A]);
    check(&kinesis(&base64(b"hello")), &["bad: not_json", A]);
    check(&kinesis(&base64(&gzip(b""))), &["bad: not_json", A]);
    check(&kinesis(&base64(&gz[..gz.len() - 9])), &[A, B, "bad: bad_gzip", A]);
    check(&kinesis(&base64(&gz[..10])), &["bad: bad_gzip", A]);
    check(&kinesis(&base64(&A.as_bytes()[..9])), &["bad: truncated", A]);
    check(r#"{"Records":[{"kinesis":{}}]}"#, &["bad: bad_json"]);
    check(&format!(r#"{{"Events":[{{"CloudTrailEvent":"\x"}},{A}]}}"#), &["bad: bad_json", A]);
    check(&format!(r#"{{"Events":[{{"CloudTrailEvent":""}},{A}]}}"#), &["bad: not_json", A]);
}

#[test]
fn envelopes_inside_envelopes() {
    let nest = |levels: usize| {
        let sns = |text: String| {
            format!(r#"{{"Type":"Notification","TopicArn":"t","Message":{}}}"#, quoted(&text))
        };
        (0..levels).fold(A.to_owned(), |text, _| sns(text))
    };
    check(&nest(4), &[A]);
    check(&nest(5), &["bad: bad_json"]);
    // An event's text is no envelope.
    let text = format!(r#"{{"CloudTrailEvent":{}}}"#, quoted(A));
    check(
        &format!(r#"{{"Events":[{{"CloudTrailEvent":{}}}]}}"#, quoted(&text)),
        &["none: JSON in a string that is no CloudTrail event"],
    );
}

/// One budget for all that a record expands to: gzip in gzip, lines of nothing, faults.
#[test]
fn what_a_record_expands_to_is_bounded_over_all_levels() {
    let fields = |data: &str| format!(r#"{{"kinesis":{{"data":"{data}"}}}}"#);
    let record = |data: &[u8]| format!(r#"{{"Records":[{},{B}]}}"#, fields(&base64(data)));
    let long = "x\n".repeat(1 << 20);
    let lines = "{}\n".repeat(1 << 20);
    let inner = format!(r#"{{"Records":[{}]}}"#, fields(&base64(&gzip(&vec![b' '; 8 << 20]))));
    let inner = format!("{inner}\n").repeat(100);
    for content in [gzip(long.as_bytes()), gzip(lines.as_bytes()), gzip(inner.as_bytes())] {
        let input = record(&content);
        let output = split(&input);
        let most = 1000 + (input.len() as u64 * 256 + (1 << 20)) / 64;
        assert!((output.len() as u64) < most, "{} of {most}", output.len());
        let faults =
            output.iter().filter(|o| matches!(o, SplitOutput::Bad(_, "expands_too_far", _)));
        assert_eq!(faults.count(), 1, "what was cut is named once");
        assert_eq!(events(&output).last(), Some(&B));
    }
}

#[test]
fn a_gzip_bomb_is_bounded() {
    // 300 MB of spaces in 300 KB of gzip.
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(format!("{A}\n").as_bytes()).unwrap();
    let spaces = vec![b' '; 1 << 20];
    for _ in 0..300 {
        encoder.write_all(&spaces).unwrap();
    }
    let data = base64(&encoder.finish().unwrap());
    let output = split(format!(r#"[{{"awslogs":{{"data":"{data}"}}}},{B}]"#));
    assert_eq!(brief(&output), [A, "bad: expands_too_far", B]);
}

#[test]
fn deep_nesting() {
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    for input in
        [format!("{deep}\n{A}"), format!("[{deep},{A}]"), format!("{{\"Records\":[{deep},{A}]}}")]
    {
        assert_eq!(brief(&split(input)), [&deep, A]);
    }
    let open = "[".repeat(100_000);
    assert_eq!(brief(&split(&open)), ["bad: truncated"]);
    assert_eq!(brief(&split(r#"{"a":"#.repeat(100_000))), ["bad: truncated"]);
}

#[test]
fn a_line_break_in_a_string() {
    // Not JSON, but the frame can be followed: the event is handed on, and its reader decides.
    let broken = "{\"a\":\"x\ny\"}";
    check(&format!("[{A},{broken},{B}]"), &[A, broken, B]);
}

#[test]
fn white_space_of_all_kinds_separates_documents() {
    let spaces = [
        "\u{b}",
        "\u{c}",
        "\u{85}",
        "\u{a0}",
        "\u{1680}",
        "\u{2000}",
        "\u{200b}",
        "\u{2028}",
        "\u{2029}",
        "\u{202f}",
        "\u{205f}",
        "\u{3000}",
        "\u{feff}",
        " \u{a0},\u{2003}\t",
    ];
    for space in spaces {
        let input = format!("{A}{space}{B}{space}{A}\n{space}{B}{space}\n{A}\n");
        let output = split(&input);
        assert_eq!(brief(&output), [A, B, A, B, A], "{space:?}");
        let bytes: Vec<usize> = (0..input.len()).collect();
        assert_eq!(
            split_at(input.as_bytes(), &bytes, SplitOptions::default()),
            output,
            "{space:?}"
        );
    }
    // Text that begins with the same bytes is text, and is kept whole.
    for text in ["\u{3042}\u{3042}", "\u{201c}x", "\u{e9}", "\u{2028}\u{3042}"] {
        let input = format!("{text}\n{A} {text}\n{B}\n");
        let output = split(&input);
        assert_eq!(brief(&output), ["bad: not_json", A, "bad: not_json", B], "{text}");
        let SplitOutput::Bad(_, _, kept) = &output[0] else { panic!("{output:?}") };
        assert_eq!(String::from_utf8_lossy(kept), text.trim());
        let bytes: Vec<usize> = (0..input.len()).collect();
        assert_eq!(split_at(input.as_bytes(), &bytes, SplitOptions::default()), output, "{text:?}");
    }
    assert_eq!(
        brief(&split(b"{\"a\":1}\xe2\x80")),
        ["none: JSON that is neither CloudTrail nor ECS", "bad: not_json"]
    );
}

//! The grammar, as tables: queries and their normalised text, and errors with their position.

use firstseen_kql::{FieldRef, parse};

/// Text, and the same query normalised.
const VALID: &[(&str, &str)] = &[
    // Empty queries and white space.
    ("", "*"),
    (" \t\r\n\u{a0}", "*"),
    ("*", "*"),
    ("*:*", "*"),
    ("**", "*"),
    ("\u{a0}f:v\n", "f: v"),
    ("f \t:\r\n v", "f: v"),
    ("(  f:v  )", "f: v"),
    ("f:(  v  )", "f: v"),
    // Precedence: not, and, or; keywords in any case.
    ("a:1 or b:2 and c:3", "a: 1 or b: 2 and c: 3"),
    ("(a:1 or b:2) and c:3", "(a: 1 or b: 2) and c: 3"),
    ("a:1 AND b:2 Or c:3", "a: 1 and b: 2 or c: 3"),
    ("not a:1 and b:2", "not a: 1 and b: 2"),
    ("NOT (a:1 and b:2)", "not (a: 1 and b: 2)"),
    ("not (not a:1)", "not (not a: 1)"),
    ("not (not a:1) or b:2", "not (not a: 1) or b: 2"),
    ("a:1 and not b:2 or not c:3", "a: 1 and not b: 2 or not c: 3"),
    ("((a:1 and b:2)) and (c:3 and (d:4))", "a: 1 and b: 2 and c: 3 and d: 4"),
    // Value lists.
    ("f:(a or b or (c or d))", "f: (a or b or c or d)"),
    ("f:(a and b)", "f: a and f: b"),
    ("f:(* and not (a* or b))", "f: * and not f: (a* or b)"),
    ("f:(not x)", "not f: x"),
    ("f:(a or (b and c) or d)", "f: (a or d) or f: b and f: c"),
    ("f:(a or not b)", "f: a or not f: b"),
    ("f:((a) or (\"b\"))", "f: (a or b)"),
    // Unquoted literals.
    ("f:bar baz", "f: \"bar baz\""),
    ("f:bar baz or g:1", "f: \"bar baz\" or g: 1"),
    ("f:or", "f: \"or\""),
    ("f: and x", "f: \"and x\""),
    ("f:order", "f: order"),
    ("f:order or g:android", "f: order or g: android"),
    ("f:what?", "f: what?"),
    ("f:cannot", "f: \"cannot\""),
    ("f:(a or nothing)", "f: (a or nothing)"),
    (r"f:\or", "f: \"or\""),
    (r"f:this \or that", "f: \"this or that\""),
    (r"f:\not x", "f: \"not x\""),
    (r"f:a\:b\\c\(d\)", r#"f: "a:b\\c(d)""#),
    (r"f:\t\r\nx\ty", r#"f: "x\ty""#),
    (r"f:\u0041\u00e9", "f: Aé"),
    (r"f:registry\:\:*", r"f: registry\:\:*"),
    (r"f:*\:i-*", r"f: *\:i-*"),
    // Quoted literals.
    (r#"f:"C:\Windows""#, r#"f: "C:\\Windows""#),
    (r#"f:"C:\temp""#, r#"f: "C:\temp""#),
    (r#"f:"a \"b\" \\c""#, r#"f: "a \"b\" \\c""#),
    (r#"f:"*""#, r#"f: "*""#),
    (r#"f:"\u0000""#, r#"f: "\u0000""#),
    (r#"f:"""#, r#"f: """#),
    (r#"f:"a or b""#, r#"f: "a or b""#),
    // Typed words, lower case only; numbers are not typed.
    ("f:null", "f: null"),
    ("f:\"null\"", "f: \"null\""),
    ("f:NULL", "f: NULL"),
    ("process.interactive:true", "process.interactive: true"),
    ("process.interactive:\"true\"", "process.interactive: true"),
    ("f:443", "f: 443"),
    // Wildcards.
    ("f:a**b", "f: a*b"),
    ("f:**", "f: *"),
    ("f:*S3 Browser*", "f: *S3 Browser*"),
    (r"f:a\*b*", r"f: a\*b*"),
    (r"f:*a \or b*", r"f: *a \or b*"),
    (r"f:*a\u0020or b*", r"f: *a \or b*"),
    (r"f:*\not", r"f: *\not"),
    (r"f:k\not *", r"f: k\not *"),
    (r"f:*\u000aot*", r"f: *\u000aot*"),
    ("f:*?*", "f: *?*"),
    // Field names.
    ("\"f g\":v", "\"f g\": v"),
    ("f g:v", "\"f g\": v"),
    ("\"f*\":v", "\"f*\": v"),
    ("f*:v", "f*: v"),
    ("f**g:v", "f*g: v"),
    ("*:v", "*: v"),
    ("null:v", "\"null\": v"),
    ("a.0.b/c:v", "a.0.b/c: v"),
    (r"a\:b:v", "\"a:b\": v"),
    // Ranges.
    ("f>1", "f > 1"),
    ("f >= 1 and f<2", "f >= 1 and f < 2"),
    ("\"f\" <= \"x y\"", "f <= \"x y\""),
    ("@timestamp >= 2024-01-01", "@timestamp >= 2024-01-01"),
    ("source.ip > 10.0.0.1", "source.ip > 10.0.0.1"),
    ("source.port < 1e3", "source.port < 1e3"),
    // Nested queries.
    ("f:{a:1 and b:2}", "f: { a: 1 and b: 2 }"),
    ("f : { a:{ not b:x } or c > 5 }", "f: { a: { not b: x } or c > 5 }"),
    ("f:{*}", "f: { * }"),
    ("not f:{a:1}", "not f: { a: 1 }"),
    // Addresses are written shortest.
    ("source.ip:(10.1.2.3/8 or \"FE80::/10\")", "source.ip: (10.0.0.0/8 or \"fe80::/10\")"),
    // A keyword at the end of a wildcard, where white space follows once it is printed.
    ("f* or<1", r"f* \or < 1"),
    (r"f:(*x \or and y* \and or z)", r"f: z or f: *x \or and f: y* \and"),
];

/// Text, the code of the fault, its place, and words of its message.
const INVALID: &[(&str, &str, usize, &str)] = &[
    ("not not a:1", "misplaced_not", 4, "`not` is not allowed here"),
    ("a:not b", "misplaced_not", 2, "`field: (not x)`"),
    ("a:(not not b)", "misplaced_not", 7, "is not allowed here"),
    ("not(a:1)", "unexpected", 3, "white space on both sides"),
    ("a:1 and(b:2)", "unexpected", 7, "white space on both sides"),
    ("a:1 or(b:2)", "unexpected", 6, "white space on both sides"),
    ("(a:1)and (b:2)", "unexpected", 5, "unexpected `a`"),
    ("a:1 and b and(c:2)", "unexpected", 13, "white space on both sides"),
    ("a:", "unexpected", 2, "ends too early"),
    ("a:  ", "unexpected", 4, "a value, or a list"),
    ("a:()", "unexpected", 3, "unexpected `)`"),
    ("()", "unexpected", 1, "a field name"),
    ("(a:1", "unclosed", 0, "never closed"),
    ("a:(b or (c)", "unclosed", 2, "a `)`"),
    ("a:1)", "unexpected", 3, "unexpected `)`"),
    ("a:{b:1", "unclosed", 2, "a `}`"),
    ("a:{b:1)", "unexpected", 6, "or `}`"),
    ("a:{}", "unexpected", 3, "unexpected `}`"),
    ("a:b:c", "unexpected", 3, r"write `\:`"),
    ("a:b \"c\"", "unexpected", 4, "unexpected `\"`"),
    ("a:\"b\" c:1", "unexpected", 6, "` and `, ` or `"),
    ("a:\"b", "unterminated", 2, "never closed"),
    ("a:cannot be", "misplaced_not", 5, "`not` is not allowed here"),
    (r"a:C\Windows", "bad_escape", 3, "backslash"),
    (r"a:x\ud800", "bad_escape", 3, "surrogate"),
    ("createstack", "free_text", 0, "free text is not supported: name a field"),
    ("a:1 and foo bar", "free_text", 8, "name a field"),
    ("a:1 or \"x\"", "free_text", 7, "name a field"),
    ("a:{b}", "free_text", 3, "name a field"),
    (":v", "unexpected", 0, "unexpected `:`"),
    ("\"\":v", "bad_field", 0, "empty"),
    (r"a\**:v", "bad_field", 0, "both a wildcard"),
    ("a*:{b:1}", "bad_field", 0, "wildcard"),
    ("a >= (1 or 2)", "unexpected", 5, "takes no list"),
    ("a >= 1*", "bad_range", 5, "wildcard"),
    ("a > ", "unexpected", 4, "ends too early"),
    ("a:(b > 1)", "unexpected", 5, "unexpected `>`"),
    ("source.port > http", "bad_range", 14, "holds numbers"),
    ("source.ip > host", "bad_range", 12, "holds addresses"),
    ("@timestamp >= now-1d", "bad_range", 14, "no clock for date math"),
    ("@timestamp >= \"2024-01-01||/d\"", "bad_range", 14, "no clock for date math"),
    ("@timestamp >= 2024-13-01", "bad_range", 14, "holds dates"),
    ("source.ip:(10.0.0.0/8 or 10.0.0.0/33)", "bad_network", 25, "prefix"),
];

#[test]
fn valid_queries() {
    for (text, normal) in VALID {
        let query = parse(text).unwrap_or_else(|error| panic!("{text:?}\n{error}"));
        assert_eq!(query.to_string(), *normal, "{text:?}");
        assert_eq!(parse(normal).as_ref(), Ok(&query), "{text:?}");
        assert_eq!(query.check(), Ok(()), "{text:?}");
    }
}

#[test]
fn invalid_queries() {
    for (text, code, at, words) in INVALID {
        let error = parse(text).err().unwrap_or_else(|| panic!("{text:?} parses"));
        assert_eq!((error.code, error.at), (*code, *at), "{text:?}\n{error}");
        assert!(error.to_string().contains(words), "{text:?}\n{error}");
        assert!(error.to_string().lines().all(|line| line.chars().count() <= 110), "{error}");
    }
}

#[test]
fn an_error_points_at_its_position() {
    let text =
        "event.provider: \"cloudformation.amazonaws.com\"\n    and event.action: not CreateStack";
    let error = parse(text).unwrap_err();
    assert_eq!((error.line, error.column), (2, 23));
    let shown = error.to_string();
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[0], "`not` is not allowed here (line 2, column 23)");
    assert_eq!(lines[1], "      and event.action: not CreateStack");
    assert_eq!(lines[2], "                        ^");
    assert_eq!(lines[3], "expected `not field: x`, `field: (not x)` or `not (not field: x)`");
}

#[test]
fn fields_are_in_order_of_first_use() {
    let query =
        parse("b:1 and (a:2 or b*:3) and n:{y:1 or x:2 and y:3} and a:(4 and 5) and n:{z:1}");
    let name = |name: &str| FieldRef::Name(name.to_owned());
    let nested = |inner: Vec<FieldRef>| FieldRef::Nested { path: "n".to_owned(), inner };
    assert_eq!(
        query.unwrap().fields(),
        [
            name("b"),
            name("a"),
            FieldRef::Pattern("b*".to_owned()),
            nested(vec![name("y"), name("x")]),
            nested(vec![name("z")]),
        ]
    );
}

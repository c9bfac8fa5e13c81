//! Any text as a query: its printed form parses to the same query, `matches` and `explain` agree,
//! every event that matches contains the required literals, and nothing panics.
#![no_main]

use firstseen_kql::{Doc, FieldRef, Query, parse};
use firstseen_value::Value;
use libfuzzer_sys::fuzz_target;

/// A generated event: a hash decides the values of a field.
struct Made<'p> {
    pool: &'p [String],
    seed: u64,
    fields: &'p [FieldRef],
}

impl Made<'_> {
    /// The values of a field, a few from the pool.
    fn values(&self, field: usize) -> impl Iterator<Item = Value<'_>> {
        let mut dice = mixed(self.seed ^ (field as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let count = dice % 4;
        (0..count).filter_map(move |_| {
            dice = mixed(dice);
            let text = self.pool.get(dice as usize % self.pool.len().max(1))?;
            Some(match text.as_str() {
                "true" => Value::Bool(true),
                number if number.parse::<u32>().is_ok() && dice & 64 == 0 => Value::Number(number),
                text => Value::Text(text.into()),
            })
        })
    }

    /// Everything that its text would contain, including objects.
    fn text(&self) -> String {
        let mut text = String::new();
        for (index, field) in self.fields.iter().enumerate() {
            match field {
                FieldRef::Nested { inner, .. } => {
                    for object in self.objects(index, inner) {
                        text += &object.text();
                    }
                }
                _ => self.values(index).for_each(|value| {
                    text += value.as_text();
                    text.push('\n');
                }),
            }
        }
        text
    }

    fn objects<'p>(
        &'p self,
        field: usize,
        inner: &'p [FieldRef],
    ) -> impl Iterator<Item = Made<'p>> {
        let seed = mixed(self.seed ^ field as u64);
        let of = move |n| Made { pool: self.pool, seed: mixed(seed ^ n), fields: inner };
        (0..seed % 3).map(of)
    }
}

impl Doc for Made<'_> {
    fn any(&self, field: usize, test: &mut dyn FnMut(&Value<'_>) -> bool) -> bool {
        self.values(field).any(|value| test(&value))
    }

    fn any_object(&self, field: usize, test: &mut dyn FnMut(&dyn Doc) -> bool) -> bool {
        let Some(FieldRef::Nested { inner, .. }) = self.fields.get(field) else { return false };
        self.objects(field, inner).any(|object| test(&object))
    }
}

/// A step of splitmix64.
fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn agrees(query: &Query, pool: &[String], seed: u64) {
    let event = Made { pool, seed, fields: query.fields() };
    let matched = query.matches(&event);
    let why = query.explain(&event);
    assert_eq!(why.matched, matched);
    for clause in &why.decided_by {
        assert_eq!(clause.truth, matched, "{query}: {clause:?}");
    }
    if matched {
        let text = event.text();
        for clause in query.literals(&|_, _| true) {
            let found = clause.iter().any(|literal| text.contains(literal.as_str()));
            assert!(found, "{query} needs one of {clause:?}, and {text:?} matches");
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let query = match parse(text) {
        Ok(query) => query,
        Err(fault) => {
            assert!(!fault.to_string().is_empty());
            return;
        }
    };
    assert_eq!(query.check(), Ok(()));
    let printed = query.to_string();
    match parse(&printed) {
        Ok(again) => assert_eq!(again, query, "{printed}"),
        // Normalised text may be longer than the original and exceed the limit.
        Err(fault) => assert!(printed.len() > firstseen_kql::MAX_TEXT, "{fault}\n{printed}"),
    }
    // Events made from the query's own words, so that some match.
    let words = text.split([':', '(', ')', '"', '*', ' ', '{', '}']).map(str::to_owned);
    let mut pool: Vec<String> = words.take(64).collect();
    pool.extend(query.literals(&|_, _| true).into_iter().flatten().take(64));
    for seed in 0..8 {
        agrees(&query, &pool, mixed(seed ^ bytes.len() as u64));
    }
});

//! The sections of a module, without going through its code.
//!
//! In: a module, untrusted. Out: what wasmparser says of each section, the code as a whole: an engine has a thousand
//! functions, and who copies or compares sections needs none of them. It checks no more than the frames of sections.

use wasmparser::{BinaryReaderError, Chunk, Parser, Payload};

/// The parts of a module, to its end or to the first fault.
pub(crate) struct Payloads<'a> {
    parser: Parser,
    rest: Option<&'a [u8]>,
}

/// Reads a module.
pub(crate) fn payloads(wasm: &[u8]) -> Payloads<'_> {
    Payloads { parser: Parser::new(0), rest: Some(wasm) }
}

impl<'a> Iterator for Payloads<'a> {
    type Item = Result<Payload<'a>, BinaryReaderError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        let (consumed, payload) = match self.parser.parse(rest, true) {
            Ok(Chunk::Parsed { consumed, payload }) => (consumed, payload),
            // The rest is all there is, and a module has no modules in it.
            Ok(Chunk::NeedMoreData(_)) => return None,
            Err(fault) => return Some(Err(fault)),
        };
        let mut rest = rest.get(consumed..).unwrap_or_default();
        if let Payload::CodeSectionStart { size, .. } = &payload
            // One that is cut is left to the parser, which says so.
            && let Some(behind) = rest.get(*size as usize..)
        {
            self.parser.skip_section();
            rest = behind;
        }
        if !matches!(payload, Payload::End(_)) {
            self.rest = Some(rest);
        }
        Some(Ok(payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_function_bodies_is_as_wasmparser_has_it() {
        let wasm = wat::parse_str(
            r#"(module (memory 1) (func (export "f")) (func nop) (data (i32.const 0) "b") (@custom "c" "x"))"#,
        )
        .unwrap();
        let ranges = |all: Vec<Payload<'_>>| -> Vec<_> {
            all.iter().filter_map(Payload::as_section).collect()
        };
        let ours: Vec<_> = payloads(&wasm).collect::<Result<_, _>>().unwrap();
        let theirs: Vec<_> = Parser::new(0).parse_all(&wasm).collect::<Result<_, _>>().unwrap();
        assert_eq!(ranges(ours), ranges(theirs));
        for cut in 0..wasm.len() {
            let cut = &wasm[..cut];
            let ends = |mut all: Box<dyn Iterator<Item = Result<Payload<'_>, _>> + '_>| {
                all.all(|payload| payload.is_ok())
            };
            let theirs = ends(Box::new(Parser::new(0).parse_all(cut)));
            // A section that is cut is noticed, whatever is in it.
            assert!(ends(Box::new(payloads(cut))) == theirs, "{}", cut.len());
        }
    }
}

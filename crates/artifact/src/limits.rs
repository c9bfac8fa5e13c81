//! How much there is to compile in a module, counted before a compiler sees it.
//!
//! In: a module, untrusted. Out: counts, and the first one that is over its limit. A compiler takes more than
//! proportional time and memory for some modules: for a function with many variables and many blocks, for example, the
//! product of both. It checks no types, which is a compiler's to do, and runs nothing; what it takes is proportional to
//! the bytes of the module.

use crate::error::MetaError;
use wasmparser::{BinaryReaderError, FunctionBody, Operator, Parser, Payload};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ModuleCount {
    /// Types of functions.
    Types,
    /// Parameters and results of one type.
    TypeParts,
    /// Functions with a body.
    Functions,
    /// Bytes of all bodies.
    CodeBytes,
    /// Bytes of one body.
    BodyBytes,
    /// Parameters are not counted; variables of one function.
    Locals,
    /// Blocks, loops, conditions and branches of one function.
    Blocks,
    /// How deep they are inside each other.
    Nesting,
    /// Targets of all branches by table of one function.
    TableTargets,
    /// Variables times blocks of one function: how much a compiler may have to join.
    Joins,
    /// The same of all functions together.
    AllJoins,
    /// Global variables.
    Globals,
    /// Tables.
    Tables,
    /// Segments of data and of elements.
    Segments,
    /// Bytes of data.
    DataBytes,
    /// Elements that segments write into tables.
    Elements,
    /// Exports.
    Exports,
}

impl ModuleCount {
    /// All of them, with the most that a host compiles and what they are called. The core engine, which is the largest
    /// artifact that firstseen makes, has a fourth of each at most (a test holds it).
    pub const ALL: [(Self, u64, &'static str); 17] = [
        (Self::Types, 400, "types"),
        (Self::TypeParts, 64, "parameters and results of one type"),
        (Self::Functions, 5_000, "functions"),
        (Self::CodeBytes, 2_400_000, "bytes of code"),
        (Self::BodyBytes, 80_000, "bytes of code in one function"),
        (Self::Locals, 400, "variables in one function"),
        (Self::Blocks, 5_000, "blocks and branches in one function"),
        (Self::Nesting, 300, "blocks inside each other"),
        (Self::TableTargets, 1_000, "targets of branches by table in one function"),
        (Self::Joins, 300_000, "variables times blocks in one function"),
        (Self::AllJoins, 2_400_000, "variables times blocks in all functions"),
        (Self::Globals, 100, "globals"),
        (Self::Tables, 4, "tables"),
        (Self::Segments, 10_000, "segments"),
        (Self::DataBytes, 16 << 20, "bytes of data"),
        (Self::Elements, 100_000, "elements of tables"),
        (Self::Exports, 1_000, "exports"),
    ];
}

/// The counts of a module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModuleCounts([u64; ModuleCount::ALL.len()]);

impl ModuleCounts {
    /// Counts a module.
    ///
    /// # Errors
    /// [`MetaError`]: no module, or one that ends too early. The frames of all sections and functions are looked at.
    pub fn of(wasm: &[u8]) -> Result<Self, MetaError> {
        Self::read(wasm).map_err(|fault| MetaError::of(&fault))
    }

    /// One of the counts; of what is counted for each function or type, the largest.
    #[must_use]
    pub fn get(&self, count: ModuleCount) -> u64 {
        self.0.get(count as usize).copied().unwrap_or_default()
    }

    /// What is wrong, where a count is over its limit.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let over = |(count, most, _): &&(ModuleCount, u64, _)| self.get(*count) > *most;
        let (count, most, what) = ModuleCount::ALL.iter().find(over)?;
        Some(format!("it has {} {what}, and {most} are allowed", self.get(*count)))
    }

    fn add(&mut self, count: ModuleCount, more: u64) {
        if let Some(sum) = self.0.get_mut(count as usize) {
            *sum = sum.saturating_add(more);
        }
    }

    fn most(&mut self, count: ModuleCount, found: u64) {
        if let Some(most) = self.0.get_mut(count as usize) {
            *most = found.max(*most);
        }
    }

    fn read(wasm: &[u8]) -> Result<Self, BinaryReaderError> {
        use ModuleCount as C;
        let mut counts = Self::default();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::TypeSection(types) => {
                    for group in types {
                        for kind in group?.into_types() {
                            counts.add(C::Types, 1);
                            if let wasmparser::CompositeInnerType::Func(kind) =
                                &kind.composite_type.inner
                            {
                                let parts =
                                    kind.params().len().saturating_add(kind.results().len());
                                counts.most(C::TypeParts, parts as u64);
                            }
                        }
                    }
                }
                Payload::TableSection(tables) => counts.add(C::Tables, tables.count().into()),
                Payload::GlobalSection(globals) => counts.add(C::Globals, globals.count().into()),
                Payload::ExportSection(exports) => counts.add(C::Exports, exports.count().into()),
                Payload::ElementSection(elements) => {
                    counts.add(C::Segments, elements.count().into());
                    for element in elements {
                        let items = match element?.items {
                            wasmparser::ElementItems::Functions(items) => items.count(),
                            wasmparser::ElementItems::Expressions(_, items) => items.count(),
                        };
                        counts.add(C::Elements, items.into());
                    }
                }
                Payload::DataSection(data) => {
                    counts.add(C::Segments, data.count().into());
                    for segment in data {
                        counts.add(C::DataBytes, segment?.data.len() as u64);
                    }
                }
                Payload::CodeSectionEntry(body) => counts.function(&body)?,
                _ => {}
            }
        }
        Ok(counts)
    }

    fn function(&mut self, body: &FunctionBody<'_>) -> Result<(), BinaryReaderError> {
        use ModuleCount as C;
        let bytes = body.range().len() as u64;
        self.add(C::Functions, 1);
        self.add(C::CodeBytes, bytes);
        self.most(C::BodyBytes, bytes);
        let mut locals = 0_u64;
        for group in body.get_locals_reader()? {
            locals = locals.saturating_add(group?.0.into());
        }
        self.most(C::Locals, locals);
        let (mut blocks, mut depth, mut targets) = (0_u64, 0_u64, 0_u64);
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            match operators.read()? {
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                    blocks = blocks.saturating_add(1);
                    depth = depth.saturating_add(1);
                    self.most(C::Nesting, depth);
                }
                Operator::End => depth = depth.saturating_sub(1),
                Operator::Else | Operator::Br { .. } | Operator::BrIf { .. } => {
                    blocks = blocks.saturating_add(1);
                }
                Operator::BrTable { targets: table } => {
                    blocks = blocks.saturating_add(1);
                    targets = targets.saturating_add(table.len().into());
                }
                _ => {}
            }
        }
        self.most(C::Blocks, blocks);
        self.most(C::TableTargets, targets);
        let joins = locals.saturating_mul(blocks.saturating_add(targets));
        self.most(C::Joins, joins);
        self.add(C::AllJoins, joins);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(text: &str) -> ModuleCounts {
        ModuleCounts::of(&wat::parse_str(text).unwrap()).unwrap()
    }

    #[test]
    fn all_are_counted() {
        use ModuleCount as C;
        let counts = counts(
            r#"(module
                (type (func)) (type (func (param i32 i64) (result i32)))
                (table 2 funcref) (table 1 funcref) (memory 1)
                (global i32 (i32.const 1))
                (func (type 0) (local i32 i32 i64)
                    (block (loop (br_if 0 (i32.const 0))))
                    (block (br_table 0 0 0 (i32.const 1)))
                    (if (i32.const 1) (then) (else)))
                (func (export "a") (export "b") (local f32))
                (elem (table 0) (i32.const 0) func 0 1)
                (data (i32.const 0) "abc") (data "d"))"#,
        );
        for (count, expected) in [
            (C::Types, 2),
            (C::TypeParts, 3),
            (C::Functions, 2),
            (C::Locals, 3),
            // Two blocks, a loop, a condition and its other case, two branches.
            (C::Blocks, 7),
            // The body itself is none.
            (C::Nesting, 2),
            (C::TableTargets, 2),
            (C::Joins, 27),
            (C::AllJoins, 27),
            (C::Globals, 1),
            (C::Tables, 2),
            (C::Segments, 3),
            (C::DataBytes, 4),
            (C::Elements, 2),
            (C::Exports, 2),
        ] {
            assert_eq!(counts.get(count), expected, "{count:?}");
        }
        assert!(counts.get(C::BodyBytes) < counts.get(C::CodeBytes));
        assert_eq!(counts.fault(), None);
    }

    /// A module with so much of something.
    fn text(of: ModuleCount, n: usize) -> String {
        let function = |what: &str| format!("(module (func {what}))");
        match of {
            ModuleCount::Types => format!("(module {})", "(type (func))".repeat(n)),
            ModuleCount::TypeParts => {
                format!("(module (type (func (param {}))))", "i32 ".repeat(n))
            }
            ModuleCount::Functions => format!("(module (type (func)) {})", "(func)".repeat(n)),
            ModuleCount::Locals => function(&format!("(local {})", "i32 ".repeat(n))),
            ModuleCount::Blocks => function(&"(block)".repeat(n)),
            ModuleCount::Nesting => function(&format!("{}{}", "(block ".repeat(n), ")".repeat(n))),
            ModuleCount::TableTargets => {
                function(&format!("(br_table {} 0 (i32.const 1))", "0 ".repeat(n)))
            }
            ModuleCount::Joins => {
                let locals = format!("(local {})", "i32 ".repeat(100));
                function(&format!("{locals} {}", "(block)".repeat(n.div_ceil(100))))
            }
            ModuleCount::AllJoins => {
                let locals = format!("(local {})", "i32 ".repeat(100));
                let function = format!("(func {locals} {})", "(block)".repeat(1_000));
                let rest =
                    format!("(func {locals} {})", "(block)".repeat((n % 100_000).div_ceil(100)));
                format!("(module {} {rest})", function.repeat(n / 100_000))
            }
            ModuleCount::Globals => {
                format!("(module {})", "(global i32 (i32.const 1))".repeat(n))
            }
            ModuleCount::Tables => format!("(module {})", "(table 1 funcref)".repeat(n)),
            ModuleCount::Segments => format!("(module {})", "(data \"\")".repeat(n)),
            ModuleCount::Elements => {
                format!("(module (func) (elem func {}))", "0 ".repeat(n))
            }
            ModuleCount::Exports => {
                let exports = (0..n).map(|at| format!("(export \"{at}\" (func 0))"));
                format!("(module (func) {})", exports.collect::<String>())
            }
            // An instruction is a byte; of each body one is its end and one its empty list of variables.
            ModuleCount::BodyBytes => function(&"nop ".repeat(n - 2)),
            // Text of that length takes long to read.
            ModuleCount::CodeBytes | ModuleCount::DataBytes => String::new(),
        }
    }

    fn section(id: u8, content: &[u8]) -> Vec<u8> {
        [&[id][..], &leb(content.len()), content].concat()
    }

    fn leb(n: usize) -> Vec<u8> {
        let last = n < 0x80;
        let byte = [n as u8 & 0x7f | if last { 0 } else { 0x80 }];
        if last { byte.to_vec() } else { [&byte[..], &leb(n >> 7)].concat() }
    }

    /// A module with one segment of so many bytes.
    fn data(n: usize) -> Vec<u8> {
        let segment = [&[1, 1][..], &leb(n), &vec![b'a'; n]].concat();
        [b"\0asm\x01\0\0\0", &section(11, &segment)[..]].concat()
    }

    /// A module with functions whose bodies have so many bytes. A body is its empty list of variables, instructions
    /// of one byte and its end.
    fn code(n: usize) -> Vec<u8> {
        let whole = 60_000;
        let mut bodies = vec![whole; n / whole - 1];
        bodies.push(whole + n % whole);
        let functions = [&leb(bodies.len())[..], &vec![0; bodies.len()]].concat();
        let body = |n: &usize| [&leb(*n)[..], &[0], &vec![1; n - 2], &[0x0b]].concat();
        let code = [leb(bodies.len()), bodies.iter().flat_map(body).collect()].concat();
        let types = section(1, &[1, 0x60, 0, 0]);
        [b"\0asm\x01\0\0\0", &types[..], &section(3, &functions), &section(10, &code)].concat()
    }

    /// Each limit by itself, with a module that has one more than is allowed of it.
    #[test]
    fn one_more_than_is_allowed_is_named() {
        let of = |(_, most, _): (ModuleCount, u64, &str)| most as usize;
        for at in ModuleCount::ALL {
            let (most, what) = (of(at), at.2);
            let modules = [most, most + 1].map(|n| match at.0 {
                ModuleCount::DataBytes => data(n),
                ModuleCount::CodeBytes => code(n),
                other => wat::parse_str(text(other, n)).unwrap(),
            });
            let [within, over] = modules.map(|wasm| ModuleCounts::of(&wasm).unwrap());
            assert_eq!(within.get(at.0), most as u64, "{what}");
            assert_eq!(within.fault(), None, "{what}");
            let fault = over.fault().unwrap();
            assert!(fault.contains(what) && fault.contains("are allowed"), "{what}: {fault}");
        }
    }

    #[test]
    fn what_is_no_module_is_an_error() {
        let wasm = wat::parse_str("(module (func (block)) (data \"abc\"))").unwrap();
        assert!(
            (0..wasm.len()).filter(|cut| ModuleCounts::of(&wasm[..*cut]).is_err()).count() > 10
        );
        for at in 8..wasm.len() {
            let mut changed = wasm.clone();
            changed[at] ^= 0xff;
            // An error or counts, and never a panic.
            let _ = ModuleCounts::of(&changed);
        }
    }
}

//! Modules to machine code, within limits.
//!
//! In: a module, untrusted. Out: its code, as wasmtime serializes it, or why there is none. What there is to compile is
//! counted first; then it is compiled here, or in a child process that has limits of time and memory: some modules
//! take much more than their size says, and a compiler cannot be stopped inside a process. It keeps no code.

use crate::runtime::plain;
use anyhow::{Context, bail};
use firstseen_artifact::ModuleCounts;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;
use wasmtime::Engine;

/// Seconds of a processor that a child may take. The core engine takes one in a release build.
const CHILD_SECONDS: u64 = 10;
/// Bytes of memory that it may have; a fifth of it is the program itself.
const CHILD_BYTES: u64 = 640 << 20;
/// How long the parent waits for it: a busy machine gives it few of its seconds in that time.
const CHILD_DEADLINE: Duration = Duration::from_secs(10 * CHILD_SECONDS);
/// The longest module that a child reads, and the longest code that a parent does.
const MAX_MODULE: u64 = 64 << 20;
const MAX_CODE: u64 = 128 << 20;
/// The first byte of a child's answer: what follows is code, or what is wrong with the module.
const CODE: u8 = 0;
const FAULT: u8 = 1;

/// Where modules are compiled.
#[derive(Debug, Clone, Default)]
pub enum Compiler {
    /// In this process: modules are counted, and compiling those within the limits is waited for.
    #[default]
    InProcess,
    /// In a child process.
    InChild(ChildCompiler),
}

/// A program that compiles what it reads: it calls [`compile_as_child`].
#[derive(Debug, Clone)]
pub struct ChildCompiler {
    /// The program; on Linux `/proc/self/exe` is the present one, whatever became of its file.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// Why a module was not compiled.
#[derive(Debug, Clone)]
pub(crate) enum ModuleFault {
    /// It costs too much, whatever else is tried with it.
    TooCostly(String),
    /// It is none that wasmtime takes.
    Invalid(String),
}

impl From<ModuleFault> for anyhow::Error {
    fn from(fault: ModuleFault) -> Self {
        match fault {
            ModuleFault::TooCostly(text) | ModuleFault::Invalid(text) => Self::msg(text),
        }
    }
}

impl Compiler {
    /// The code of a module, for an engine with the settings of this crate.
    pub(crate) fn compile(&self, engine: &Engine, wasm: &[u8]) -> Result<Vec<u8>, ModuleFault> {
        let invalid = |fault: String| ModuleFault::Invalid(fault);
        let counts = ModuleCounts::of(wasm).map_err(|fault| invalid(fault.to_string()))?;
        if let Some(fault) = counts.fault() {
            let text = format!("it is too large to be compiled: {fault}");
            return Err(ModuleFault::TooCostly(text));
        }
        match self {
            Self::InProcess => {
                engine.precompile_module(wasm).map_err(|e| invalid(plain(e).to_string()))
            }
            Self::InChild(child) => child.compile(wasm),
        }
    }
}

impl ChildCompiler {
    fn compile(&self, wasm: &[u8]) -> Result<Vec<u8>, ModuleFault> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg0("firstseen").stdin(Stdio::piped());
        let started = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let no_child = |e: std::io::Error| {
            ModuleFault::TooCostly(format!(
                "the process that compiles it cannot be started: {e}; an artifact that this version \
                 built needs none: `firstseen rebuild`"
            ))
        };
        let (answer, status) =
            answer_of(started.map_err(no_child)?, wasm, CHILD_DEADLINE).map_err(no_child)?;
        match answer.split_first() {
            Some((&CODE, code)) if status.success() => Ok(code.to_vec()),
            Some((&FAULT, text)) if status.success() => {
                Err(ModuleFault::Invalid(String::from_utf8_lossy(text).into_owned()))
            }
            _ => Err(ModuleFault::TooCostly(format!(
                "it cannot be compiled within {CHILD_SECONDS} s and {} MiB of memory ({status})",
                CHILD_BYTES >> 20
            ))),
        }
    }
}

/// Gives a child its input, and waits for its answer; kills it where that takes too long or is too much.
fn answer_of(
    mut child: Child,
    wasm: &[u8],
    deadline: Duration,
) -> std::io::Result<(Vec<u8>, ExitStatus)> {
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let (sender, answered) = channel();
    std::thread::scope(|scope| {
        // Who has read enough, or has ended, does not take the rest.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(wasm)));
        scope.spawn(move || {
            let mut answer = Vec::new();
            let most = MAX_CODE.saturating_add(1);
            let read = stdout.map(|stdout| stdout.take(most).read_to_end(&mut answer));
            let is_whole = read.is_some_and(|read| read.is_ok()) && (answer.len() as u64) < most;
            // Who waits for it may have given up.
            let _ = sender.send(if is_whole { answer } else { Vec::new() });
        });
        let answer = answered.recv_timeout(deadline).unwrap_or_default();
        if answer.is_empty() {
            // It may have ended by itself.
            let _ = child.kill();
        }
        Ok((answer, child.wait()?))
    })
}

/// What the child of a [`ChildCompiler`] does: it limits itself, reads a module from its input and writes the code to
/// its output. A program calls it before it does anything else.
///
/// # Errors
/// When it cannot limit itself, or input and output fail; then there is no answer.
pub fn compile_as_child(input: impl Read, mut output: impl Write) -> anyhow::Result<()> {
    for (resource, most) in [
        (Resource::As, CHILD_BYTES),
        (Resource::Cpu, CHILD_SECONDS),
        // What it has in memory is nobody's business, least of all at its end.
        (Resource::Core, 0),
    ] {
        // A lower limit of whoever started it stays.
        let present = rustix::process::getrlimit(resource);
        let most = [present.maximum, present.current].into_iter().flatten().fold(most, u64::min);
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        setrlimit(resource, limit).with_context(|| format!("the limit {resource:?}"))?;
    }
    let mut wasm = Vec::new();
    input.take(MAX_MODULE).read_to_end(&mut wasm).context("the module")?;
    if wasm.len() as u64 == MAX_MODULE {
        bail!("the module is too long");
    }
    let engine = Engine::new(&crate::config::config()).map_err(plain)?;
    let (kind, answer) = match engine.precompile_module(&wasm) {
        Ok(code) => (CODE, code),
        Err(error) => (FAULT, plain(error).to_string().into_bytes()),
    };
    output.write_all(&[kind])?;
    output.write_all(&answer)?;
    output.flush().context("the code")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    fn child(script: &str) -> ChildCompiler {
        ChildCompiler {
            program: "/bin/sh".into(),
            arguments: ["-c", script].map(OsString::from).to_vec(),
        }
    }

    const EMPTY: &[u8] = b"\0asm\x01\0\0\0";

    /// A child that gives no answer is a module that cannot be compiled, however it ends.
    #[test]
    fn a_child_that_fails_is_a_refusal() {
        for script in
            ["true", "exit 3", "kill -ABRT $$", "cat >/dev/null; kill -XCPU $$", "printf 'xy'"]
        {
            match child(script).compile(EMPTY) {
                Err(ModuleFault::TooCostly(text)) => {
                    assert!(text.contains("within 10 s"), "{text}")
                }
                other => panic!("{script}: {other:?}"),
            }
        }
        // What it says counts only where it ends well.
        assert!(child(r"printf '\000code'; exit 1").compile(EMPTY).is_err());
        assert_eq!(child(r"cat >/dev/null; printf '\000code'").compile(EMPTY).unwrap(), b"code");
        match child(r"cat >/dev/null; printf '\001no module'").compile(EMPTY) {
            Err(ModuleFault::Invalid(text)) => assert_eq!(text, "no module"),
            other => panic!("{other:?}"),
        }
        let none = ChildCompiler { program: "/no/such/program".into(), arguments: Vec::new() };
        match none.compile(EMPTY) {
            Err(ModuleFault::TooCostly(text)) => assert!(text.contains("rebuild"), "{text}"),
            other => panic!("{other:?}"),
        }
    }

    /// One that never ends is killed, and its input, which is longer than a pipe, is not waited for.
    #[test]
    fn a_child_that_never_ends_is_killed() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "exec sleep 1000"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let long = vec![0; 1 << 20];
        let (answer, status) =
            answer_of(command.spawn().unwrap(), &long, Duration::from_millis(50)).unwrap();
        assert!(answer.is_empty() && status.signal() == Some(9), "{status}");
    }

    #[test]
    fn too_much_is_counted_before_it_is_compiled() {
        let engine = Engine::new(&crate::config::config()).unwrap();
        let functions = "(func)".repeat(5_001);
        let wasm = wat::parse_str(format!("(module {functions})")).unwrap();
        // It would not be found.
        let nobody = ChildCompiler { program: "/no/such/program".into(), arguments: Vec::new() };
        for compiler in [Compiler::InProcess, Compiler::InChild(nobody)] {
            match compiler.compile(&engine, &wasm) {
                Err(ModuleFault::TooCostly(text)) => {
                    assert!(text.contains("5001 functions, and 5000 are allowed"), "{text}");
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(!Compiler::InProcess.compile(&engine, EMPTY).unwrap().is_empty());
    }
}

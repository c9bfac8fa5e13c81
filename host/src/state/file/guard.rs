//! Calls redb so that nothing it does with a damaged file ends the process.
//!
//! In: a call, and the path of the file. Out: its result; a panic inside it is [`StateError::Corrupt`],
//! and nothing of it is printed. What was committed before is as it was.

use super::StateError;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether this thread is inside such a call.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// Calls it.
pub(super) fn guarded<T>(
    path: &str,
    call: impl FnOnce() -> Result<T, StateError>,
) -> Result<T, StateError> {
    HOOK.call_once(|| {
        let others = take_hook();
        set_hook(Box::new(move |info| {
            if !INSIDE.get() {
                others(info)
            }
        }));
    });
    let outer = INSIDE.replace(true);
    let result = catch_unwind(AssertUnwindSafe(call));
    INSIDE.set(outer);
    result.unwrap_or_else(|_| {
        let reason = "what is in it contradicts itself".to_owned();
        Err(StateError::Corrupt { path: path.to_owned(), reason })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_that_names_the_file_and_what_to_do() {
        let result: Result<(), _> = guarded("s.redb", || panic!("damaged"));
        let error = result.unwrap_err().to_string();
        assert!(
            error.starts_with("s.redb: the state is damaged") && error.contains("restore"),
            "{error}"
        );
        assert!(!error.contains(".rs"), "{error}");
        assert!(matches!(guarded("s", || Ok(1)), Ok(1)));
        assert!(!INSIDE.get());
    }
}

//! The rules of a run: loaded, filtered for, excepted from.

pub mod exceptions;
pub mod load;
pub mod prefilter;

use firstseen_session::Rules;

/// Settings that may change while a stream is read.
pub trait LiveSettings {
    /// Looks whether they changed, and gives the rules what is in force now.
    fn refresh(&mut self, rules: &mut [Box<dyn Rules>], now_ms: i64);
}

//! The rules of a run: loaded, filtered for, excepted from.

pub mod exceptions;
pub mod find;
pub mod load;
pub mod prefilter;
pub mod sample;
pub mod signed;
pub mod silent;
pub mod unique;

use firstseen_rule::exception::Exception;
use firstseen_session::Rules;

/// An exception of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownException {
    /// Its name.
    pub name: String,
    /// The fields that it asks for.
    pub fields: Vec<String>,
}

impl KnownException {
    /// What is to be known of an exception.
    #[must_use]
    pub fn of(exception: &Exception) -> Self {
        let fields = exception.query.field_names().map(str::to_owned);
        Self { name: exception.name.clone(), fields: fields.collect() }
    }
}

/// Settings that may change while a stream is read.
pub trait LiveSettings {
    /// Looks whether they changed, and gives the rules what is in force now.
    fn refresh(&mut self, rules: &mut [Box<dyn Rules>], now_ms: i64);

    /// Whether they may change at all.
    fn may_change(&self) -> bool;

    /// The exceptions that are in force now, besides the rules' own: names, and the fields they ask.
    fn exceptions(&self) -> Vec<KnownException>;
}
